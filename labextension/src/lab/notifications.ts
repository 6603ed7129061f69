import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { IVerdict } from '../panel/documents';
import { ServiceError } from '../panel/errors';
import type { Session } from '../panel/model/session';
import type { ITranslation } from '../panel/translation';
import { hostOf } from './restart';
import { followSettings } from './settings';
import { DOMAIN, IPackageManager } from './tokens';

/** Milliseconds that a notice stays when nothing has to be done about it. */
const SHORT = 8000;

/**
 * Tells of kernels that need a restart because their packages were changed from elsewhere.
 *
 * Not of the kernel the user works with: what is said of it stands in the cell, the panel and the status bar.
 */
export class VerdictNotices {
  constructor(
    private readonly _manager: IPackageManager,
    private readonly _titleOf: (kernel: string) => string | null,
    private readonly _trans: ITranslation
  ) {
    _manager.events.kernelChanged.connect((_, { kernel }) => void this.look(kernel));
    _manager.kernels.restarted.connect((_, kernel) => this.forget(kernel));
  }

  enabled = true;

  /** Ask what is to be said of a kernel, and say it. */
  async look(id: string): Promise<void> {
    const title = this._titleOf(id);
    if (!this.enabled || title === null || id === this._manager.kernels.kernel) {
      return;
    }
    const verdict = await this._verdictOf(id);
    if (verdict === null || verdict.level === 'none') {
      this.forget(id);
    } else if (this._shown.get(id)?.text !== verdict.text) {
      this.forget(id);
      this._shown.set(id, {
        text: verdict.text,
        notice: this._notify(id, `${title}: ${verdict.text}`, verdict.level === 'required')
      });
    }
  }

  /** Nothing where nobody answers: that has its own place to be told, and the next event asks again. */
  private async _verdictOf(id: string): Promise<IVerdict | null> {
    try {
      return (await this._manager.service.kernel(id)).verdict;
    } catch (error) {
      if (error instanceof ServiceError) {
        return null;
      }
      throw error;
    }
  }

  /** What was said of a kernel isn't true any more. */
  forget(id: string): void {
    const shown = this._shown.get(id);
    if (shown) {
      Notification.dismiss(shown.notice);
      this._shown.delete(id);
    }
  }

  private _notify(id: string, message: string, stays: boolean): string {
    const restart = {
      label: this._trans.__('Restart kernel…'),
      callback: () => void this._manager.restart(id).then(done => done && this.forget(id))
    };
    return Notification.warning(message, { autoClose: stays ? false : SHORT, actions: [restart] });
  }

  private readonly _shown = new Map<string, { text: string; notice: string }>();
}

/** Says why `%pkg` isn't there, once for each kernel in which it should be. */
export class AttachNotices {
  constructor(
    private readonly _session: Session,
    private readonly _trans: ITranslation
  ) {
    _session.subscribe(() => this._look());
  }

  enabled = true;

  private _look(): void {
    const { kernel } = this._session.state;
    if (this.enabled && kernel?.attached === 'failed' && !this._told.has(kernel.id)) {
      this._told.add(kernel.id);
      const name = kernel.display_name || kernel.name;
      Notification.info(
        this._trans.__('%pkg is not available in the kernel %1: %2', name, kernel.why),
        {
          autoClose: SHORT
        }
      );
    }
  }

  private readonly _told = new Set<string>();
}

export const notifications: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-pkgmgr:notifications',
  description:
    'Tells of kernels that need a restart because their packages were changed from elsewhere.',
  autoStart: true,
  requires: [IPackageManager],
  optional: [INotebookTracker, IConsoleTracker, ISettingRegistry, ITranslator],
  activate: async (
    _app: JupyterFrontEnd,
    manager: IPackageManager,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trackers = [notebooks, consoles].filter(tracker => tracker !== null);
    const titleOf = (kernel: string): string | null =>
      hostOf(kernel, trackers)?.title.label ?? null;
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const notices = new VerdictNotices(manager, titleOf, trans);
    const hints = new AttachNotices(manager.session, trans);
    await followSettings(registry, ({ notify, attachHint }) => {
      notices.enabled = notify;
      hints.enabled = attachHint;
    });
  }
};
