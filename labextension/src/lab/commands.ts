import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { packageIcon } from './icon';
import { CommandIDs, DOMAIN, IPackageManager, IPackagePanel } from './tokens';

const NO_ARGUMENTS = { type: 'object', properties: {} } as const;

export const commands: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-pkgmgr:commands',
  description: 'Commands of the package panel, for menus, shortcuts and the palette.',
  autoStart: true,
  requires: [IPackageManager, IPackagePanel],
  optional: [ICommandPalette, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: IPackageManager,
    panel: IPackagePanel,
    palette: ICommandPalette | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { model } = panel;
    const { session } = manager;

    app.commands.addCommand(CommandIDs.open, {
      label: trans.__('Packages of This Kernel'),
      caption: trans.__('Show the packages in the environment of the current kernel'),
      icon: args => (args.toolbar ? packageIcon : undefined),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            toolbar: { type: 'boolean', description: 'Whether it is shown as an icon' }
          }
        }
      },
      execute: () => panel.show()
    });
    app.commands.addCommand(CommandIDs.install, {
      label: trans.__('Install Packages…'),
      caption: trans.__(
        'Search for packages to install into the environment of the current kernel'
      ),
      describedBy: {
        args: {
          type: 'object',
          properties: {
            text: { type: 'string', description: 'What to search for, or a list of packages' }
          }
        }
      },
      execute: args => {
        void panel.show();
        model.searchFor(typeof args.text === 'string' ? args.text : '');
      }
    });
    app.commands.addCommand(CommandIDs.undo, {
      label: trans.__('Undo Last Package Change…'),
      caption: trans.__('Take back the last change of the environment of the current kernel'),
      describedBy: { args: NO_ARGUMENTS },
      isEnabled: () => session.state.environment !== null,
      execute: async () => {
        await panel.show();
        model.setTab('history');
        await model.changes.request({ command: 'undo' }, trans.__('Undo of the last change'));
      }
    });
    app.commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Read Packages Again'),
      caption: trans.__('Read kernel, environment and packages anew'),
      describedBy: { args: NO_ARGUMENTS },
      execute: async () => {
        await session.connect();
        await model.packages.refresh();
      }
    });
    session.subscribe(() => app.commands.notifyCommandChanged(CommandIDs.undo));
    for (const command of Object.values(CommandIDs)) {
      palette?.addItem({ command, category: trans.__('Packages') });
    }
  }
};
