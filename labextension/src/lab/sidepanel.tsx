import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';

import { Panel } from '../panel/components/Panel';
import { PanelModel } from '../panel/model';
import type { ITranslation } from '../panel/translation';
import { packageIcon } from './icon';
import { followSettings } from './settings';
import { DOMAIN, IPackageManager, IPackagePanel, PANEL } from './tokens';
import { widen } from './widen';

/** Between the table of contents and the extensions. */
const RANK = 450;
/** Milliseconds between looks for what was done elsewhere, in case no event tells. */
const POLL = 60_000;

/** The side panel. As long as nobody has looked at it, it asks the server for nothing. */
class PackagePanel extends ReactWidget {
  constructor(
    private readonly _manager: IPackageManager,
    trans: ITranslation
  ) {
    super();
    this.id = 'jupyter-pkgmgr-panel';
    this.addClass('jpkg-SidePanel');
    this.title.icon = packageIcon;
    this.title.caption = trans.__('Packages');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Packages'));
    this.model = new PanelModel({
      service: _manager.service,
      session: _manager.session,
      trans,
      findRestart: () => kernel => _manager.restart(kernel),
      poll: POLL
    });
    this.model.setVisible(false);
  }

  readonly model: PanelModel;

  override dispose(): void {
    if (!this.isDisposed) {
      this.model.dispose();
      super.dispose();
    }
  }

  protected override render() {
    return <Panel model={this.model} />;
  }

  protected override onBeforeShow(message: Message): void {
    super.onBeforeShow(message);
    void this.connect();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.model.setVisible(true);
    if (!this._isPlaced) {
      this._isPlaced = true;
      if (this._isRestored) {
        requestAnimationFrame(() => widen(this)); // when it has a width
      }
    }
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.model.setVisible(false);
  }

  protected override onActivateRequest(message: Message): void {
    super.onActivateRequest(message);
    const find = (selector: string) => this.node.querySelector<HTMLElement>(selector);
    (
      find('input, textarea') ??
      find('[role="tab"][tabindex="0"]') ??
      find('.jpkg-Panel') ??
      this.node
    ).focus();
  }

  /** The page is laid out as it was: whatever width the panel has by then, somebody may have chosen it. */
  setRestored(): void {
    this._isRestored = true;
  }

  /** Begin to follow session and events, at the first look; resolves when the first answer came. */
  connect(): Promise<void> {
    this._connected ??= this._follow();
    return this._connected;
  }

  private _follow(): Promise<void> {
    const { events } = this._manager;
    const { model } = this;
    events.environmentChanged.connect((_, event) =>
      model.environmentChanged(event.environment, event.fingerprint)
    );
    events.jobChanged.connect((_, { environment }) => model.jobChanged(environment));
    return model.connect();
  }

  private _connected: Promise<void> | null = null;
  private _isPlaced = false;
  private _isRestored = false;
}

export const sidepanel: JupyterFrontEndPlugin<IPackagePanel> = {
  id: PANEL,
  description: 'The side panel with the packages of the current kernel.',
  autoStart: true,
  provides: IPackagePanel,
  requires: [IPackageManager],
  optional: [ILayoutRestorer, ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    manager: IPackageManager,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ): IPackagePanel => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const panel = new PackagePanel(manager, trans);
    let placed: string | null = null;
    const place = (side: 'left' | 'right'): void => {
      if (side !== placed) {
        placed = side;
        app.shell.add(panel, side, { rank: RANK, type: 'Packages' });
      }
    };
    place('left'); // at once, for the layout's restorer
    restorer?.add(panel, panel.id);
    void app.restored.then(() => panel.setRestored());
    void followSettings(registry, ({ side }) => place(side));
    const show = (): Promise<void> => {
      app.shell.activateById(panel.id);
      return panel.connect();
    };
    return { model: panel.model, show };
  }
};
