import type { Restart } from '../panel/model';

/**
 * How a panel inside a notebook gets its kernel restarted: a comm can't do that, the page around it may.
 *
 * The panel dispatches this event on itself; a host that can restart the kernel of that place puts a function into it.
 */
export const RESTART_EVENT = 'jupyter-pkgmgr:find-restart';

export interface IRestartRequest {
  restart: Restart | null;
}

/** What restarts the kernel of the notebook around this element; `null` where the page knows nothing of us. */
export function findRestart(element: HTMLElement): Restart | null {
  const detail: IRestartRequest = { restart: null };
  element.dispatchEvent(new CustomEvent(RESTART_EVENT, { bubbles: true, composed: true, detail }));
  return detail.restart;
}
