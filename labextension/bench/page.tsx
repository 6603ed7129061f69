/** What `bench/run.mjs` measures: the panel over 5,000 packages and 35,000 names, in memory. */
import { createRoot } from 'react-dom/client';

import { Panel, PanelModel, RestPackageService, english } from '../src/panel';
import type { Transport } from '../src/panel';
import { MemoryServer } from '../tests/memory/server';
import { analysis, makeWorld, manyRows } from '../tests/memory/world';

const PACKAGES = 5000;
const NAMES = 35_000;
const WORDS =
  'py data lib tool kit learn net graph plot stat time zone http json yaml xml sql db cloud auth token image audio video text nlp vec tensor torch flow jax num sci pandas spark dask ray async io web api client server test mock lint type check doc build pack env conf log trace metric cache queue job task cron map geo bio chem astro fin quant game bot chat'.split(
    ' '
  );

/** Names as they are in channels: one to four words, all different, the same in each run. */
function makeNames(count: number): string[] {
  const names = new Set<string>();
  let state = 42;
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
  while (names.size < count) {
    const words = Array.from({ length: 1 + next(4) }, () => WORDS[next(WORDS.length)]);
    const suffix = next(3) === 0 ? String(next(100)) : '';
    names.add(words.join(next(2) ? '-' : '') + suffix);
  }
  return [...names];
}

const world = makeWorld();
world.packages[analysis.id] = {
  fingerprint: 'many',
  packages: manyRows(PACKAGES),
  problems: [],
  notes: []
};
const names = makeNames(NAMES);
world.names = { conda: names.slice(0, 25_000), pypi: names.slice(20_000), notes: [] };
const memory = new MemoryServer(world);
const marks: Record<string, number> = {};
/** The list is handed over when the runner is ready to measure. */
const released = new Promise<void>(resolve => Object.assign(window, { release: resolve }));

/** Documents come as text, as from a server: reading them is part of what is measured. */
const transport: Transport = async request => {
  const response = await memory.transport(request);
  const text = JSON.stringify(response.body);
  if (request.path.endsWith('/packages')) {
    document.documentElement.dataset.waiting = 'true';
    await released;
    marks.data = performance.now();
  }
  return { ...response, body: JSON.parse(text) as unknown };
};

const painted = () => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));

const root = document.getElementById('root');
if (root) {
  const model = new PanelModel({ service: new RestPackageService(transport), trans: english });
  createRoot(root).render(<Panel model={model} />);
  const observer = new MutationObserver(() => {
    if (document.querySelector('[data-index]')) {
      observer.disconnect();
      void painted().then(() => {
        marks.rows = performance.now();
        document.documentElement.dataset.ready = 'true';
      });
    }
  });
  observer.observe(root, { childList: true, subtree: true });
  Object.assign(window, { marks, painted, panel: model });
  void model.followKernel('kernel-1');
  void model.connect();
}
