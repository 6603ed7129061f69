import type { ISessionContext, ISessionContextDialogs } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { type ISignal, Signal } from '@lumino/signaling';

import type { VerdictLevel } from '../../panel/documents';
import { ServiceError } from '../../panel/errors';
import { Latest } from '../../panel/model/latest';
import type { IPackageService } from '../../panel/service';
import type { ServerEvents } from '../events';
import type { IKernelHost } from '../kernels';
import { hostAround } from '../restart';
import { type Part, isRunning } from './parts';
import type { IOutputActions } from './view';

/** What an output needs of the place it is shown in. */
export interface IOutputHost {
  /** What can be done here and now from an output. */
  actions(node: HTMLElement, part: Part): IOutputActions;
  /** What can be done may be something else now. */
  readonly changed: ISignal<unknown, unknown>;
}

/** The command of a hint, and nothing else, becomes a cell. */
const INSTALL = /^%pkg install [\w.:[\]-]+$/;

/** The life of a kernel that an output speaks of: its id, and how often it had begun anew when the output came. */
interface ILife {
  kernel: string;
  restarts: number;
}

type Service = Pick<IPackageService, 'cancel' | 'kernel'>;

/** Finds the notebook or console an output is in, and acts on its kernel. */
export class OutputHost implements IOutputHost {
  constructor(options: {
    notebooks: INotebookTracker | null;
    consoles: IConsoleTracker | null;
    dialogs: ISessionContextDialogs;
    service: Service;
    events: Pick<ServerEvents, 'kernelChanged'>;
  }) {
    this._notebooks = options.notebooks;
    this._consoles = options.consoles;
    this._dialogs = options.dialogs;
    this._service = options.service;
    options.events.kernelChanged.connect((_, { kernel }) => {
      if (this._dues.has(kernel)) {
        void this._askDue(kernel);
      }
    });
  }

  readonly changed = new Signal<this, void>(this);

  actions(node: HTMLElement, part: Part): IOutputActions {
    const context = this._host(node)?.sessionContext;
    const kernel = context?.session?.kernel;
    if (!context || !kernel) {
      return {};
    }
    this._follow(context);
    const life = this._lifeOf(node, part, kernel.id);
    switch (part.part) {
      case 'progress':
        return isRunning(part.state) && this._isNow(life, context)
          ? { cancel: () => this._cancel(part, life, context) }
          : {};
      case 'verdict':
        return this._isNow(life, context) && this._isDue(part.kernel)
          ? { restart: () => this._restart(life, context) }
          : {};
      case 'hint':
        return INSTALL.test(part.command)
          ? { install: () => this._install(node, part.command) }
          : {};
      default:
        return {};
    }
  }

  /**
   * Which kernel an output speaks of. Without a server `%pkg` doesn't know its kernel's id: then it is the one of the
   * notebook in which the output was first seen.
   */
  private _lifeOf(node: HTMLElement, part: Part, current: string): ILife {
    const known = this._lives.get(node);
    if (known && (part.kernel === null || part.kernel === known.kernel)) {
      return known;
    }
    const kernel = part.kernel ?? current;
    const life = { kernel, restarts: this._restarts.get(kernel) ?? 0 };
    this._lives.set(node, life);
    return life;
  }

  /** Whether that very kernel runs, and hasn't begun anew since; a saved notebook may speak of another one. */
  private _isNow({ kernel, restarts }: ILife, context: ISessionContext): boolean {
    return context.session?.kernel?.id === kernel && (this._restarts.get(kernel) ?? 0) === restarts;
  }

  /**
   * Whether a restart is still to be done. An output may be older than this page, and the restart, too: the server
   * knows. Where none is behind `%pkg`, there is nobody to ask.
   */
  private _isDue(kernel: string | null): boolean {
    if (kernel === null) {
      return true;
    }
    const due = this._dues.get(kernel);
    if (due === undefined) {
      this._dues.set(kernel, { now: false, asking: new Latest() });
      void this._askDue(kernel);
    }
    return due?.now ?? false;
  }

  private async _askDue(kernel: string): Promise<void> {
    const due = this._dues.get(kernel);
    const verdict = await due?.asking.run(signal => this._verdictOf(kernel, signal));
    if (due && verdict !== undefined && due.now !== (verdict !== 'none')) {
      due.now = verdict !== 'none';
      this.changed.emit();
    }
  }

  private async _verdictOf(kernel: string, signal: AbortSignal): Promise<VerdictLevel> {
    try {
      return (await this._service.kernel(kernel, signal)).verdict?.level ?? 'none';
    } catch (error) {
      if (error instanceof ServiceError) {
        return 'none'; // who doesn't answer couldn't restart it either; the next event asks again
      }
      throw error;
    }
  }

  /** Notice when a notebook's kernel is another one, or begins anew, whoever did that. */
  private _follow(context: ISessionContext): void {
    if (this._followed.has(context)) {
      return;
    }
    this._followed.add(context);
    context.kernelChanged.connect(() => this.changed.emit());
    context.statusChanged.connect((_, status) => {
      const kernel = context.session?.kernel?.id;
      if (kernel !== undefined && (status === 'restarting' || status === 'autorestarting')) {
        this._restarts.set(kernel, (this._restarts.get(kernel) ?? 0) + 1);
        this.changed.emit();
      }
    });
  }

  private async _cancel(part: Part, life: ILife, context: ISessionContext): Promise<void> {
    if (part.job !== null) {
      await this._service.cancel(part.job);
    } else if (this._isNow(life, context)) {
      await context.session?.kernel?.interrupt();
    }
  }

  private async _restart(life: ILife, context: ISessionContext): Promise<void> {
    if (this._isNow(life, context)) {
      await this._dialogs.restart(context);
    }
  }

  /** Put the command before the cell that needs it, and run it: the notebook keeps what made it work. */
  private async _install(node: HTMLElement, command: string): Promise<void> {
    const console_ = this._consoles?.find(panel => panel.node.contains(node));
    if (console_) {
      await console_.console.inject(command);
      return;
    }
    const panel = this._notebook(node);
    const index = panel?.content.widgets.findIndex(cell => cell.node.contains(node)) ?? -1;
    if (!panel || index < 0) {
      return;
    }
    const notebook = panel.content;
    panel.model?.sharedModel.insertCell(index, { cell_type: 'code', source: command });
    notebook.activeCellIndex = index;
    const inserted = notebook.activeCell;
    await NotebookActions.run(notebook, panel.sessionContext);
    // To the cell that needs it, unless the user went on somewhere else meanwhile.
    if (notebook.activeCell === inserted) {
      notebook.activeCellIndex = notebook.widgets.findIndex(cell => cell.node.contains(node));
    }
  }

  private _host(node: HTMLElement): IKernelHost | undefined {
    return hostAround(
      node,
      [this._notebooks, this._consoles].filter(tracker => tracker !== null)
    );
  }

  private _notebook(node: HTMLElement): NotebookPanel | undefined {
    return this._notebooks?.find(panel => panel.node.contains(node));
  }

  private _consoles: IConsoleTracker | null;
  private _dialogs: ISessionContextDialogs;
  private _notebooks: INotebookTracker | null;
  /** Of kernels that were asked about: whether a restart is due. */
  private _dues = new Map<string, { now: boolean; asking: Latest }>();
  private _followed = new WeakSet<ISessionContext>();
  private _lives = new WeakMap<HTMLElement, ILife>();
  /** How often kernels began anew, of those that were followed. */
  private _restarts = new Map<string, number>();
  private _service: Service;
}
