/** The panel in a plain page, against a real server; `npm run dev -- URL TOKEN` serves it. */
import { createRoot } from 'react-dom/client';

import { Panel, PanelModel, RestPackageService, english } from '../src/panel';
import type { Transport } from '../src/panel';

const fetchTransport: Transport = async ({ method, path, body, headers, signal }) => {
  const response = await fetch(`/pkgmgr/${path}`, {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal
  });
  const text = await response.text();
  return {
    status: response.status,
    body: parsed(text),
    headers: Object.fromEntries(response.headers)
  };
};

/** A proxy or a server without our extension answers in HTML, which is no document. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

const root = document.getElementById('root');
if (root) {
  const model = new PanelModel({
    service: new RestPackageService(fetchTransport),
    trans: english,
    poll: 5000
  });
  const kernel = new URLSearchParams(location.search).get('kernel');
  void model.followKernel(kernel);
  void model.connect();
  createRoot(root).render(<Panel model={model} />);
}
