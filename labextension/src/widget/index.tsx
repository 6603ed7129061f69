/**
 * The panel inside a notebook: an anywidget module, which any host of Jupyter widgets can load.
 *
 * Requests of the panel become messages over the widget's comm, which the Python side answers.
 */
import { createRoot } from 'react-dom/client';

import { Panel, PanelModel, RestPackageService, english } from '../panel';
import { findRestart } from './restart';
import type { IWidgetModel } from './transport';
import { CommTransport } from './transport';

interface IRenderContext {
  model: IWidgetModel;
  el: HTMLElement;
}

/** Milliseconds between looks for what others did: no server's events come over a comm. */
const POLL = 5000;

/** Panels on this page: their elements' ids must not be the same. This module is loaded once for each widget. */
let roots = Math.floor(Math.random() * 1e9);

/** What anywidget calls for each view; returns what ends it. */
function render({ model, el }: IRenderContext): () => void {
  const transport = new CommTransport(model);
  const panel = new PanelModel({
    service: new RestPackageService(request => transport.send(request)),
    trans: english,
    inKernel: true,
    findRestart: () => findRestart(el),
    poll: POLL
  });
  roots += 1;
  const root = createRoot(el, { identifierPrefix: `jpkg-${roots}-` });
  el.classList.add('jpkg-Widget');
  root.render(<Panel model={panel} />);
  const endLooking = watch(el, visible => panel.setVisible(visible));
  const follow = () => void panel.followKernel(textOf(model.get('kernel')));
  model.on('change:kernel', follow);
  follow();
  void panel.connect();
  return () => {
    model.off('change:kernel', follow);
    endLooking();
    root.unmount();
    panel.dispose();
    transport.dispose();
  };
}

/** Say whether anybody can see the panel: it is on the page's visible part, and the page is. */
function watch(el: HTMLElement, tell: (visible: boolean) => void): () => void {
  let isSeen = true;
  const look = () => tell(isSeen && document.visibilityState === 'visible');
  const observer = new IntersectionObserver(entries => {
    isSeen = entries.at(-1)?.isIntersecting ?? isSeen;
    look();
  });
  observer.observe(el);
  document.addEventListener('visibilitychange', look);
  return () => {
    observer.disconnect();
    document.removeEventListener('visibilitychange', look);
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value ? value : null;
}

export default { render };
