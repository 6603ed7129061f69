import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';

import { isEnded } from '../panel/documents';
import type { JobState } from '../panel/documents';
import { useStore } from '../panel/store';
import type { ITranslation } from '../panel/translation';
import type { IJobEvent } from './events';
import { packageIcon } from './icon';
import { followSettings } from './settings';
import { CommandIDs, DOMAIN, IPackageManager } from './tokens';

interface IProps {
  manager: IPackageManager;
  running: number;
  open: () => void;
  trans: ITranslation;
}

/** Where the kernel lives, whether something happens there, and whether something must be done. */
function StatusItem({ manager, running, open, trans }: IProps) {
  const { environment, verdict } = useStore(manager.session);
  if (environment === null) {
    return null;
  }
  const level = verdict?.level ?? 'none';
  const words = {
    none: trans.__('%1: no restart needed', environment.name),
    recommended: trans.__('%1: a restart of the kernel is recommended', environment.name),
    required: trans.__('%1: the kernel must be restarted', environment.name)
  };
  const what =
    running > 0 ? trans.__('%1: packages are being changed', environment.name) : words[level];
  return (
    <button
      type="button"
      className="jpkg-Status"
      title={`${what}\n${environment.prefix}`}
      onClick={open}
    >
      <packageIcon.react tag="span" className="jpkg-Status-icon" />
      {environment.name}
      {running > 0 && <span className="jpkg-Status-busy" role="img" aria-label={what} />}
      {running === 0 && level !== 'none' && (
        <span className={`jpkg-Status-mark jpkg-mod-${level}`}>{trans.__('restart')}</span>
      )}
    </button>
  );
}

/** The item of the status bar. */
class PackageStatus extends ReactWidget {
  constructor(
    private readonly _manager: IPackageManager,
    private readonly _open: () => void,
    private readonly _trans: ITranslation
  ) {
    super();
    this.addClass('jpkg-StatusItem');
    this._end = _manager.session.subscribe(() => this._onSession());
    _manager.events.jobChanged.connect(this._onJob, this);
  }

  /** Whether there is anything to show, and a change of that. */
  readonly activeChanged = new Signal<this, void>(this);
  enabled = true;

  get isActive(): boolean {
    return this.enabled && this._manager.session.state.environment !== null;
  }

  override dispose(): void {
    this._end();
    this._manager.events.jobChanged.disconnect(this._onJob, this);
    super.dispose();
  }

  protected override render() {
    return (
      <StatusItem
        manager={this._manager}
        running={[...this._running.values()].filter(one => one === this._environment).length}
        open={this._open}
        trans={this._trans}
      />
    );
  }

  private _onSession(): void {
    const environment = this._manager.session.state.environment?.id ?? null;
    if (environment !== this._environment) {
      this._environment = environment;
      this.update();
    }
    this.activeChanged.emit();
  }

  private _onJob(_: unknown, event: IJobEvent): void {
    if (event.kind !== 'apply' && event.kind !== 'run') {
      return; // a look changes nothing
    }
    if (isEnded({ state: event.state as JobState })) {
      this._running.delete(event.job);
    } else {
      this._running.set(event.job, event.environment);
    }
    this.update();
  }

  private readonly _end: () => void;
  private _environment: string | null = null;
  /** Jobs that run, with their environments: an event may come before it is known which one is shown. */
  private readonly _running = new Map<string, string>();
}

export const status: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-pkgmgr:status',
  description: 'Shows the environment of the current kernel in the status bar.',
  autoStart: true,
  requires: [IPackageManager],
  optional: [IStatusBar, ISettingRegistry, ITranslator],
  activate: async (
    app: JupyterFrontEnd,
    manager: IPackageManager,
    statusBar: IStatusBar | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    if (statusBar === null) {
      return; // Notebook 7 has none
    }
    const open = (): void => void app.commands.execute(CommandIDs.open);
    const item = new PackageStatus(manager, open, (translator ?? nullTranslator).load(DOMAIN));
    statusBar.registerStatusItem('jupyter-pkgmgr:status', {
      item,
      align: 'left',
      rank: 3,
      isActive: () => item.isActive,
      activeStateChanged: item.activeChanged
    });
    await followSettings(registry, ({ showStatus }) => {
      item.enabled = showStatus;
      item.activeChanged.emit();
    });
  }
};
