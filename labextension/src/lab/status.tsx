import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { Signal } from '@lumino/signaling';

import type { Session } from '../panel/model/session';
import { useStore } from '../panel/store';
import type { ITranslation } from '../panel/translation';
import { packageIcon } from './icon';
import { RunningJobs } from './running';
import { followSettings } from './settings';
import { CommandIDs, DOMAIN, IPackageManager } from './tokens';

interface IProps {
  session: Session;
  running: RunningJobs;
  open: () => void;
  trans: ITranslation;
}

/** Where the kernel lives, whether something happens there, and whether something must be done. */
function StatusItem({ session, running, open, trans }: IProps) {
  const { kernelEnvironment: environment, verdict } = useStore(session);
  useStore(running);
  if (environment === null) {
    return null;
  }
  const level = verdict?.level ?? 'none';
  const words = {
    none: trans.__('%1: no restart needed', environment.name),
    recommended: trans.__('%1: a restart of the kernel is recommended', environment.name),
    required: trans.__('%1: the kernel must be restarted', environment.name)
  };
  const isBusy = running.isBusy(environment.id);
  const what = isBusy ? trans.__('%1: packages are being changed', environment.name) : words[level];
  return (
    <button
      type="button"
      className="jpkg-Status"
      title={`${what}\n${environment.prefix}`}
      onClick={open}
    >
      <packageIcon.react tag="span" className="jpkg-Status-icon" />
      {environment.name}
      {isBusy && <span className="jpkg-Status-busy" role="img" aria-label={what} />}
      {!isBusy && level !== 'none' && (
        <span className={`jpkg-Status-mark jpkg-mod-${level}`}>{trans.__('restart')}</span>
      )}
    </button>
  );
}

/** The item of the status bar. */
export class PackageStatus extends ReactWidget {
  constructor(
    private readonly _manager: IPackageManager,
    private readonly _open: () => void,
    private readonly _trans: ITranslation
  ) {
    super();
    this.addClass('jpkg-StatusItem');
    this._running = new RunningJobs(_manager);
    this._end = _manager.session.subscribe(() => this.activeChanged.emit());
  }

  /** Whether there is anything to show, and a change of that. */
  readonly activeChanged = new Signal<this, void>(this);
  enabled = true;

  get isActive(): boolean {
    return this.enabled && this._manager.session.state.kernelEnvironment !== null;
  }

  override dispose(): void {
    this._end();
    this._running.dispose();
    super.dispose();
  }

  protected override render() {
    return (
      <StatusItem
        session={this._manager.session}
        running={this._running}
        open={this._open}
        trans={this._trans}
      />
    );
  }

  private readonly _end: () => void;
  private readonly _running: RunningJobs;
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
