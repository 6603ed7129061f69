import type { ReactElement } from 'react';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';

import type { ITranslation } from '../../panel/translation';
import type { IOutputHost } from './actions';
import { MIME_TYPE, type Part, readPart } from './parts';
import { OutputView } from './view';

/**
 * One display of `%pkg` in a cell. An update of the display renders into the same widget, so that what the
 * user opened stays open.
 */
export class OutputRenderer extends ReactWidget implements IRenderMime.IRenderer {
  constructor(host: IOutputHost, trans: ITranslation) {
    super();
    this._host = host;
    this._trans = trans;
    this.addClass('jpkg-Output');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const plain = model.data['text/plain'];
    this._plain = typeof plain === 'string' ? plain : '';
    this._part = readPart(model.data[MIME_TYPE], this._plain);
    this._trusted = model.trusted;
    this.update();
    return Promise.resolve();
  }

  protected override render(): ReactElement {
    if (this._part === null) {
      return <pre>{this._plain}</pre>;
    }
    const actions = this._trusted ? this._host.actions(this.node, this._part) : {};
    return <OutputView part={this._part} actions={actions} trans={this._trans} />;
  }

  protected override onAfterAttach(): void {
    this._host.changed.connect(this._onHostChanged, this);
    this.update(); // only now is it known in which notebook this is
  }

  protected override onBeforeDetach(): void {
    this._host.changed.disconnect(this._onHostChanged, this);
  }

  private _onHostChanged(): void {
    this.update();
  }

  private _host: IOutputHost;
  private _part: Part | null = null;
  private _plain = '';
  private _trans: ITranslation;
  private _trusted = false;
}
