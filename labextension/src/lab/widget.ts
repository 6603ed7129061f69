import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContextDialogs, SessionContextDialogs } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { type IRestartRequest, RESTART_EVENT } from '../widget/restart';
import { hostAround } from './restart';

export const widget: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-pkgmgr:widget',
  description: 'Restarts the kernel of a notebook for the panel that %pkg panel shows in it.',
  autoStart: true,
  optional: [INotebookTracker, IConsoleTracker, ISessionContextDialogs, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    sessionDialogs: ISessionContextDialogs | null,
    translator: ITranslator | null
  ) => {
    const trackers = [notebooks, consoles].filter(tracker => tracker !== null);
    const dialogs =
      sessionDialogs ?? new SessionContextDialogs({ translator: translator ?? nullTranslator });
    document.addEventListener(RESTART_EVENT, event => {
      const { target, detail } = event as CustomEvent<IRestartRequest>;
      const host = target instanceof Node ? hostAround(target, trackers) : undefined;
      if (host) {
        detail.restart = () => dialogs.restart(host.sessionContext);
      }
    });
  }
};
