import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

/** A notebook or a console, as far as a kernel's follower needs to know it. */
export interface IKernelHost extends Widget {
  readonly sessionContext: ISessionContext;
}

type IKernelWidgets = Pick<IConsoleTracker | INotebookTracker, 'currentWidget' | 'has'> & {
  currentChanged: ISignal<unknown, Widget | null>;
};

/**
 * Follows the notebook or console the user works in, and says when its kernel is another one or begins anew.
 *
 * What has the focus besides (a file, a side panel) doesn't count: the last notebook or console stays.
 */
export class KernelFollower implements IDisposable {
  constructor(shell: JupyterFrontEnd.IShell, trackers: IKernelWidgets[]) {
    this._shell = shell;
    this._trackers = trackers;
    shell.currentChanged?.connect(this._onFocus, this);
    for (const tracker of trackers) {
      tracker.currentChanged.connect(this._onFocus, this);
    }
    this._onFocus();
  }

  /** The kernel, or what it runs for, is another one. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /**
   * The same kernel begins anew: nothing of ours is in it, no old module is loaded. Told when it ends, and again when
   * it is there: only then does the server know.
   */
  get restarted(): ISignal<this, string> {
    return this._restarted;
  }

  /** The notebook or console that is followed. */
  get host(): IKernelHost | null {
    return this._host;
  }

  /** Its kernel's id; null without a notebook, without a kernel, and while one is being started. */
  get kernel(): string | null {
    return this._host?.sessionContext.session?.kernel?.id ?? null;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  dispose(): void {
    if (!this._isDisposed) {
      this._isDisposed = true;
      this._unfollow();
      Signal.clearData(this);
    }
  }

  private _onFocus(): void {
    const focused = [
      this._shell.currentWidget,
      ...this._trackers.map(tracker => tracker.currentWidget)
    ];
    const current = this._host !== null && !this._host.isDisposed ? [this._host] : [];
    const [first] = focused.slice(0, 1).filter(widget => this._isHost(widget));
    const next = first ?? current[0] ?? focused.find(widget => this._isHost(widget)) ?? null;
    if (next !== this._host) {
      this._unfollow();
      this._follow(next as IKernelHost | null);
      this._changed.emit();
    }
  }

  private _isHost(widget: Widget | null): boolean {
    return widget !== null && this._trackers.some(tracker => tracker.has(widget));
  }

  private _follow(host: IKernelHost | null): void {
    this._isRestarting = false;
    this._host = host;
    host?.sessionContext.kernelChanged.connect(this._onKernel, this);
    host?.sessionContext.statusChanged.connect(this._onStatus, this);
    host?.disposed.connect(this._onGone, this);
  }

  private _unfollow(): void {
    this._host?.sessionContext.kernelChanged.disconnect(this._onKernel, this);
    this._host?.sessionContext.statusChanged.disconnect(this._onStatus, this);
    this._host?.disposed.disconnect(this._onGone, this);
    this._host = null;
  }

  private _onGone(): void {
    this._unfollow();
    this._onFocus();
    if (this._host === null) {
      this._changed.emit();
    }
  }

  private _onKernel(): void {
    this._changed.emit();
  }

  private _onStatus(_: unknown, status: string): void {
    const begins = status === 'restarting' || status === 'autorestarting';
    const isThere = this._isRestarting && status === 'idle';
    if ((begins || isThere) && this.kernel !== null) {
      this._isRestarting = begins;
      this._restarted.emit(this.kernel);
    }
  }

  private _changed = new Signal<this, void>(this);
  private _host: IKernelHost | null = null;
  private _isDisposed = false;
  private _isRestarting = false;
  private _restarted = new Signal<this, string>(this);
  private _shell: JupyterFrontEnd.IShell;
  private _trackers: IKernelWidgets[];
}
