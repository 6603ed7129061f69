import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker } from '@jupyterlab/notebook';

import type { IKernelHost } from './kernels';

type Trackers = readonly (INotebookTracker | IConsoleTracker)[];

/** The notebook or console of a kernel, if it is open in this window. */
export function hostOf(kernel: string, trackers: Trackers): IKernelHost | undefined {
  for (const tracker of trackers) {
    const host = tracker.find(
      ({ sessionContext }) => sessionContext.session?.kernel?.id === kernel
    );
    if (host) {
      return host;
    }
  }
  return undefined;
}

/** The notebook or console in which an element is, if it is in one. */
export function hostAround(node: Node, trackers: Trackers): IKernelHost | undefined {
  for (const tracker of trackers) {
    const host = tracker.find(widget => widget.node.contains(node));
    if (host) {
      return host;
    }
  }
  return undefined;
}

/** Ask the user, and restart the kernel; says whether that was done. */
export async function restartKernel(
  kernel: string,
  trackers: Trackers,
  dialogs: ISessionContextDialogs
): Promise<boolean> {
  const host = hostOf(kernel, trackers);
  return host !== undefined && (await dialogs.restart(host.sessionContext));
}
