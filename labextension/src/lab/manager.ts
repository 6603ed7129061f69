import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISessionContextDialogs, SessionContextDialogs } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Session } from '../panel/model/session';
import { RestPackageService } from '../panel/service';
import { ServerEvents } from './events';
import { KernelFollower } from './kernels';
import { restartKernel } from './restart';
import { IPackageManager } from './tokens';
import { serverTransport } from './transport';

export const manager: JupyterFrontEndPlugin<IPackageManager> = {
  id: 'jupyter-pkgmgr:manager',
  description:
    'Gives the other plugins the package service, the current kernel and its environment.',
  autoStart: true,
  provides: IPackageManager,
  optional: [INotebookTracker, IConsoleTracker, ISessionContextDialogs, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    sessionDialogs: ISessionContextDialogs | null,
    translator: ITranslator | null
  ): IPackageManager => {
    const trackers = [notebooks, consoles].filter(tracker => tracker !== null);
    const dialogs =
      sessionDialogs ?? new SessionContextDialogs({ translator: translator ?? nullTranslator });
    const { serverSettings, events } = app.serviceManager;
    const service = new RestPackageService(serverTransport(serverSettings));
    const session = new Session(service);
    const shared: IPackageManager = {
      service,
      session,
      kernels: new KernelFollower(app.shell, trackers),
      events: new ServerEvents(events.stream),
      restart: kernel => restartKernel(kernel, trackers, dialogs)
    };
    void app.restored.then(() => session.connect());
    followKernels(shared);
    return shared;
  }
};

function followKernels({ kernels, events, session }: IPackageManager): void {
  const follow = (): void => void session.follow(kernels.kernel);
  kernels.changed.connect(follow);
  kernels.restarted.connect(() => void session.restarted());
  events.kernelChanged.connect((_, { kernel }) => {
    if (kernel === session.state.kernelId) {
      void session.refresh();
    }
  });
  follow();
}
