/**
 * The panel inside a notebook: an anywidget module, which any host of Jupyter widgets can load.
 *
 * Requests of the panel become messages over the widget's comm, which the Python side answers.
 */
import { createRoot } from 'react-dom/client';

import { Panel, PanelModel, RestPackageService, english } from '../panel';
import type { IWidgetModel } from './transport';
import { CommTransport } from './transport';

interface IRenderContext {
  model: IWidgetModel;
  el: HTMLElement;
}

/** Milliseconds between looks for what others did: no server's events come over a comm. */
const POLL = 5000;

/** What anywidget calls for each view; returns what ends it. */
function render({ model, el }: IRenderContext): () => void {
  const transport = new CommTransport(model);
  const panel = new PanelModel({
    service: new RestPackageService(request => transport.send(request)),
    trans: english,
    poll: POLL
  });
  const root = createRoot(el);
  el.classList.add('jpkg-Widget');
  root.render(<Panel model={panel} />);
  const look = () => panel.setVisible(document.visibilityState === 'visible');
  document.addEventListener('visibilitychange', look);
  const follow = () => void panel.followKernel(textOf(model.get('kernel')));
  model.on('change:kernel', follow);
  follow();
  void panel.connect();
  return () => {
    model.off('change:kernel', follow);
    document.removeEventListener('visibilitychange', look);
    root.unmount();
    panel.dispose();
    transport.dispose();
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value ? value : null;
}

export default { render };
