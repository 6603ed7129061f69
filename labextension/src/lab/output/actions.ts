import type { ISessionContext, ISessionContextDialogs } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';

import type { IPackageService } from '../../panel/service';
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

/** Finds the notebook or console an output is in, and acts on its kernel. */
export class OutputHost implements IOutputHost {
  constructor(options: {
    notebooks: INotebookTracker | null;
    consoles: IConsoleTracker | null;
    dialogs: ISessionContextDialogs;
    service: Pick<IPackageService, 'cancel'>;
  }) {
    this._notebooks = options.notebooks;
    this._consoles = options.consoles;
    this._dialogs = options.dialogs;
    this._service = options.service;
  }

  readonly changed = new Signal<this, void>(this);

  actions(node: HTMLElement, part: Part): IOutputActions {
    const context = this._session(node);
    const kernel = context?.session?.kernel;
    if (!context || !kernel) {
      return {};
    }
    switch (part.part) {
      case 'progress':
        return isRunning(part.state) && this._isOf(part, kernel)
          ? { cancel: () => this._cancel(part, kernel) }
          : {};
      case 'verdict':
        return this._isOf(part, kernel) && !this._restarted.has(node)
          ? { restart: () => this._restart(node, context) }
          : {};
      case 'hint':
        return INSTALL.test(part.command)
          ? { install: () => this._install(node, part.command) }
          : {};
      default:
        return {};
    }
  }

  /** Whether an output speaks of this very kernel; one in a saved notebook may speak of another one. */
  private _isOf(part: Part, kernel: Kernel.IKernelConnection): boolean {
    return part.kernel === null || part.kernel === kernel.id;
  }

  private async _cancel(part: Part, kernel: Kernel.IKernelConnection): Promise<void> {
    await (part.job === null ? kernel.interrupt() : this._service.cancel(part.job));
  }

  private async _restart(node: HTMLElement, context: ISessionContext): Promise<void> {
    if (await this._dialogs.restart(context)) {
      this._restarted.add(node);
      this.changed.emit();
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
    notebook.activeCellIndex = index;
    NotebookActions.insertAbove(notebook);
    notebook.activeCell?.model.sharedModel.setSource(command);
    await NotebookActions.run(notebook, panel.sessionContext);
    notebook.activeCellIndex = index + 1;
  }

  private _session(node: HTMLElement): ISessionContext | null {
    const panel = this._notebook(node) ?? this._consoles?.find(each => each.node.contains(node));
    return panel?.sessionContext ?? null;
  }

  private _notebook(node: HTMLElement): NotebookPanel | undefined {
    return this._notebooks?.find(panel => panel.node.contains(node));
  }

  private _consoles: IConsoleTracker | null;
  private _dialogs: ISessionContextDialogs;
  private _notebooks: INotebookTracker | null;
  private _restarted = new WeakSet<HTMLElement>();
  private _service: Pick<IPackageService, 'cancel'>;
}
