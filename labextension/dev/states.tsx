/** Each state of the panel, from the documents of the unit tests: `?state=NAME`. For looking at, and for axe. */
import { createRoot } from 'react-dom/client';

import { Panel, PanelModel, RestPackageService, english } from '../src/panel';
import type { IEvent, IJob } from '../src/panel';
import { MemoryServer } from '../tests/memory/server';
import { blocked, plan } from '../tests/memory/plans';
import { analysis, makeWorld, manyRows } from '../tests/memory/world';

type Prepare = (model: PanelModel, server: MemoryServer) => Promise<void> | void;

const event = (patch: Partial<IEvent>) => ({
  type: 'event' as const,
  event: {
    kind: 'phase' as const,
    step: 0,
    phase: null,
    state: '',
    package: '',
    done: null,
    total: null,
    level: '',
    message: '',
    ...patch
  }
});

function running(server: MemoryServer, job: IJob): void {
  const downloading = (name: string, done: number, total: number, state = 'started') =>
    event({ kind: 'package', package: name, phase: 'download', done, total, state });
  server.emit(
    job.id,
    { type: 'state', state: 'running' },
    event({ kind: 'step', state: 'started' }),
    event({ phase: 'solve' }),
    event({ kind: 'output', message: 'solving for linux-64 with 1 pinned package' }),
    event({ phase: 'download' }),
    downloading('joblib', 300_000, 300_000, 'finished'),
    downloading('threadpoolctl', 24_000, 24_000, 'finished'),
    downloading('scipy', 9_300_000, 17_200_000),
    downloading('scikit-learn', 2_100_000, 10_600_000)
  );
}

const applied = {
  transaction: 't-4',
  seconds: 6.1,
  fingerprint: 'f1',
  changes: plan.steps.flatMap(({ changes }) => changes),
  warnings: [],
  verdicts: {
    'kernel-1': {
      level: 'required' as const,
      modules: ['numpy'],
      text: 'numpy can’t be exchanged while it runs'
    }
  }
};

const failure = {
  reference: 'conflict',
  message: 'no versions of tensorflow and python fit together',
  context: [
    'tensorflow 1.15 needs python >=3.5,<3.8',
    'python 3.12.11 is held: this kernel runs on it'
  ],
  note: 'conda-forge has nothing of tensorflow 1.x for Python 3.12',
  hint: '%pkg install "tensorflow>=2.18"',
  detail:
    'Cannot solve the request because of:\n  tensorflow 1.15.* cannot be installed because\n  └─ python >=3.5,<3.8 is not possible with python 3.12.11'
};

const collect = (model: PanelModel) => {
  model.changes.add({
    action: 'install',
    name: 'scikit-learn',
    ecosystem: null,
    version: '1.7.0',
    installed: ''
  });
  model.changes.add({
    action: 'update',
    name: 'numpy',
    ecosystem: null,
    version: '2.3.1',
    installed: '2.1.3'
  });
  model.changes.add({
    action: 'remove',
    name: 'six',
    ecosystem: null,
    version: null,
    installed: '1.17.0'
  });
};

/** What has to be done to get there. */
const STATES: Record<string, Prepare> = {
  installed: () => undefined,
  'being-changed': (model, server) => {
    const note =
      '%pkg install --engine conda scipy (ada@lab-3, process 4711, since 2026-11-23 04:43:12 UTC) ' +
      'changes this environment, so what is shown may be half of that';
    const { packages = [], problems = [] } = server.world.packages[analysis.id] ?? {};
    server.world.packages[analysis.id] = { fingerprint: 'half', packages, problems, notes: [note] };
    return model.packages.refresh();
  },
  card: () => {
    document.querySelector<HTMLElement>('.jpkg-Card-toggle')?.click();
  },
  filtered: model => {
    model.packages.setFilter('py');
    model.packages.setShow('all');
  },
  'nothing-matches': model => model.packages.setFilter('tensorflow'),
  outdated: model => model.packages.setShow('outdated'),
  detail: model => model.details.show('numpy'),
  'detail-hostile': model => model.details.show('spectral'),
  'search-empty': model => model.setTab('search'),
  search: async model => {
    model.searchFor('sciki');
    await new Promise(resolve => setTimeout(resolve, 400));
  },
  'search-detail': async model => {
    model.searchFor('scikit-learn');
    await model.details.show('scikit-learn');
  },
  pasted: model => model.searchFor('pip install -U "pandas>=2" rich'),
  requirements: model =>
    model.searchFor('# for the course\npandas>=2\nrich==14.0\nhttpx[http2]~=0.28\n'),
  changes: model => {
    collect(model);
    model.setTab('changes');
  },
  'changes-empty': model => model.setTab('changes'),
  pending: collect,
  plan: (model, server) => {
    server.planner = () => plan;
    void model.changes.request({ command: 'install scikit-learn polars-u64-idx' }, 'scikit-learn');
  },
  'plan-blocked': (model, server) => {
    server.planner = () => blocked;
    void model.changes.request({ command: 'remove ipykernel' }, 'ipykernel');
  },
  job: (model, server) => {
    server.planner = () => ({ ...plan, review: { needed: false, reasons: [] } });
    server.onJob = job => running(server, job);
    model.setTab('changes');
    void model.changes.request({ command: 'install scikit-learn polars-u64-idx' }, 'scikit-learn');
  },
  'job-done': (model, server) => {
    server.planner = () => ({ ...plan, review: { needed: false, reasons: [] } });
    server.onJob = job => {
      running(server, job);
      server.end(job.id, 'succeeded', { result: applied });
    };
    model.setTab('changes');
    void model.changes.request({ command: 'install scikit-learn polars-u64-idx' }, 'scikit-learn');
  },
  'job-failed': async (model, server) => {
    const job = server.addJob('run', analysis.id, {
      title: '%pkg install tensorflow==1.15',
      face: 'kernel'
    });
    server.end(job.id, 'failed', { error: failure });
    server.planner = () => failure;
    model.setTab('changes');
    await model.changes.request({ command: 'install tensorflow==1.15' }, 'tensorflow');
  },
  history: model => model.setTab('history'),
  problems: model => model.setTab('problems'),
  examined: (model, server) => {
    server.onJob = job => server.end(job.id, 'succeeded', { result: { problems: [] } });
    model.setTab('problems');
    void model.doctor.examine(true);
  },
  chooser: model => model.followKernel(null),
  remote: model => model.followKernel('kernel-remote'),
  switched: async model => {
    collect(model);
    await model.session.openChooser();
    await model.followKernel('kernel-2');
  },
  'server-environment': model => model.session.choose('env-server'),
  'r-environment': model => model.session.choose('env-r'),
  offline: (model, server) => {
    server.goDown();
    void model.packages.refresh();
  },
  absent: (model, server) => {
    server.absent = true;
    return model.session.connect();
  },
  hub: (model, server) => {
    server.before = () => ({ status: 424 });
    model.setTab('history');
  },
  proxy: (model, server) => {
    server.before = ({ path }) => (path.endsWith('history') ? { status: 504 } : null);
    model.setTab('history');
  },
  login: (model, server) => {
    server.before = () => ({ status: 403 });
    model.setTab('history');
  },
  refused: (model, server) => {
    server.world.packages = {};
    return model.packages.refresh();
  },
  loading: (_, server) => {
    server.world.environments = {};
  },
  many: () => undefined
};

async function show(name: string, root: HTMLElement): Promise<void> {
  const world = makeWorld();
  if (name === 'many') {
    world.packages[analysis.id] = {
      fingerprint: 'many',
      packages: manyRows(5000),
      problems: [],
      notes: []
    };
  }
  const server = new MemoryServer(world);
  const model = new PanelModel({
    service: new RestPackageService(
      name === 'loading' ? () => new Promise(() => undefined) : server.transport
    ),
    trans: english,
    findRestart: () => () => Promise.resolve(true)
  });
  Object.assign(window, { panel: model, server });
  createRoot(root).render(<Panel model={model} />);
  void model.followKernel('kernel-1');
  const connected = model.connect();
  if (name !== 'loading') {
    await connected;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  await STATES[name]?.(model, server);
  document.documentElement.dataset.ready = 'true';
}

Object.assign(window, { states: Object.keys(STATES) });
const root = document.getElementById('root');
if (root) {
  void show(new URLSearchParams(location.search).get('state') ?? 'installed', root);
}
