import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContextDialogs, SessionContextDialogs } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { DOMAIN, IPackageManager } from '../tokens';
import { OutputHost } from './actions';
import { MIME_TYPE } from './parts';
import { OutputRenderer } from './renderer';

/** Before text and HTML, which stand beside it for everybody else. */
const RANK = 10;

export const output: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-pkgmgr:output',
  description: 'Shows what %pkg does, live, with buttons to cancel, install and restart.',
  autoStart: true,
  requires: [IRenderMimeRegistry, IPackageManager],
  optional: [INotebookTracker, IConsoleTracker, ISessionContextDialogs, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    manager: IPackageManager,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    sessionDialogs: ISessionContextDialogs | null,
    translator: ITranslator | null
  ) => {
    const dialogs =
      sessionDialogs ?? new SessionContextDialogs({ translator: translator ?? nullTranslator });
    const { service, events } = manager;
    const host = new OutputHost({ notebooks, consoles, dialogs, service, events });
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    rendermime.addFactory(
      { safe: true, mimeTypes: [MIME_TYPE], createRenderer: () => new OutputRenderer(host, trans) },
      RANK
    );
  }
};
