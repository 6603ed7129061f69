import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';

import { RestPackageService } from '../panel/service';
import { KernelFollower } from './kernels';
import { IPackageManager } from './tokens';
import { serverTransport } from './transport';

export const manager: JupyterFrontEndPlugin<IPackageManager> = {
  id: 'jupyter-pkgmgr:manager',
  description:
    'Gives the other plugins the package service, and the kernel of the current notebook or console.',
  autoStart: true,
  provides: IPackageManager,
  optional: [INotebookTracker, IConsoleTracker],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null
  ): IPackageManager => ({
    service: new RestPackageService(serverTransport(app.serviceManager.serverSettings)),
    kernels: new KernelFollower(
      app.shell,
      [notebooks, consoles].filter(tracker => tracker !== null)
    )
  })
};
