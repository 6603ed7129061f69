// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PanelModel } from '../../src/panel/model';
import { RestPackageService } from '../../src/panel/service';
import { english } from '../../src/panel/translation';
import { plan } from '../memory/plans';
import { MemoryServer, errorOf } from '../memory/server';
import { analysis, makeWorld, teaching } from '../memory/world';

let server: MemoryServer;
let model: PanelModel;
const said: string[] = [];
const quiet = { ...plan, review: { needed: false, reasons: [] } };
const applied = { result: { changes: [], warnings: [], verdicts: {} } };
const noSpace = errorOf('no space left');

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

const shown = () => model.changes.state;
const jobIn = (environment: string) =>
  server.jobsOf('apply').find(job => job.environment === environment)?.id ?? '';

/** `numpy` is being applied in analysis, and another environment is shown. */
async function applyElsewhere(): Promise<void> {
  server.planner = () => quiet;
  void model.changes.request({ command: 'install numpy' }, 'numpy');
  await until(() => jobIn(analysis.id) !== '' && shown().phase === 'applying');
  await model.followKernel('kernel-2');
  expect(shown()).toMatchObject({ environment: teaching.id, phase: 'idle', title: '', job: null });
}

beforeEach(async () => {
  server = new MemoryServer(makeWorld());
  model = new PanelModel({ service: new RestPackageService(server.transport), trans: english });
  said.length = 0;
  model.announcer.subscribe(() => said.push(model.announcer.state.text));
  await model.followKernel('kernel-1');
  await model.connect();
});

afterEach(() => model.dispose());

describe('two environments', () => {
  it('are changed at the same time', async () => {
    await applyElsewhere();
    expect(shown().elsewhere).toMatchObject([{ name: 'analysis', phase: 'applying' }]);
    const second = model.changes.request({ command: 'install rich' }, 'rich');
    await until(() => jobIn(teaching.id) !== '');
    server.end(jobIn(teaching.id), 'succeeded', applied);
    await second;
    expect(shown()).toMatchObject({ phase: 'idle', outcome: 'Done: rich' });
    expect(server.job(jobIn(analysis.id)).state).toBe('running');
    await model.followKernel('kernel-1');
    expect(shown()).toMatchObject({ phase: 'applying', title: 'numpy', outcome: '' });
    server.end(jobIn(analysis.id), 'succeeded', applied);
    await until(() => shown().outcome === 'Done: numpy');
  });

  it('have errors of their own, told with the name of the one that isn’t shown', async () => {
    await applyElsewhere();
    server.end(jobIn(analysis.id), 'rolled-back', { error: noSpace });
    await until(() => shown().elsewhere[0]?.error !== null);
    expect(shown()).toMatchObject({
      error: null,
      elsewhere: [{ name: 'analysis', phase: 'idle', error: { message: 'no space left' } }]
    });
    expect(said).toContain('analysis: no space left');
    expect(said).toContainEqual(expect.stringMatching(/^analysis: Failed, and taken back: /));
    await model.followKernel('kernel-1');
    expect(shown().error?.message).toBe('no space left');
    await model.followKernel('kernel-2'); // it was seen
    expect(shown()).toMatchObject({ error: null, elsewhere: [] });
    await model.followKernel('kernel-1');
    expect(shown().error?.message).toBe('no space left');
    model.changes.dismiss();
    expect(shown().error).toBeNull();
  });

  it('have plans of their own, which wait for whoever asked', async () => {
    let answer: () => void = () => undefined;
    const late = new Promise<void>(resolve => (answer = resolve));
    const { transport } = server;
    model.dispose();
    model = new PanelModel({
      trans: english,
      service: new RestPackageService(async request => {
        await (request.path.startsWith('plans/') ? late : undefined);
        return transport(request);
      })
    });
    await model.followKernel('kernel-1');
    await model.connect();
    server.planner = () => plan;
    const done = model.changes.request({ command: 'install numpy' }, 'numpy');
    await until(() => server.jobsOf('plan').length === 1);
    await model.followKernel('kernel-2');
    answer();
    await until(() => shown().elsewhere[0]?.phase === 'review');
    expect(shown()).toMatchObject({ plan: null, phase: 'idle' });
    model.changes.decide('apply'); // of nothing that is shown
    expect(server.jobsOf('apply')).toHaveLength(0);
    await model.followKernel('kernel-1');
    expect(shown()).toMatchObject({ phase: 'review', plan: { environment: analysis.id } });
    await model.changes.back();
    await done;
    expect(shown()).toMatchObject({ phase: 'idle', plan: null });
  });
});

describe('jobs', () => {
  it('are told of once, however many there are', async () => {
    for (let count = 0; count < 120; count += 1) {
      server.end(server.addJob('apply', analysis.id).id, 'succeeded', applied);
    }
    let told = 0;
    const end = model.jobs.subscribe(() => (told += 1));
    await model.jobs.refresh();
    end();
    expect(model.jobs.state.jobs).toHaveLength(120);
    expect(told).toBe(1);
  });

  it('are newest first', async () => {
    const ids = ['a', 'b', 'c'].map(title => server.addJob('doctor', analysis.id, { title }).id);
    await model.jobs.refresh();
    expect(model.jobs.state.jobs.map(({ job }) => job.id)).toEqual(ids.reverse());
  });
});

describe('a session that is the page’s', () => {
  it('is asked for nothing before the panel is looked at, and outlives it', async () => {
    server.requests.length = 0;
    const panel = new PanelModel({
      service: new RestPackageService(server.transport),
      session: model.session,
      trans: english
    });
    await model.followKernel('kernel-2');
    await until(() => model.packages.state.environment === teaching.id);
    expect(panel.packages.state.environment).toBeNull();
    await panel.connect();
    expect(panel.packages.state.environment).toBe(teaching.id);
    expect(server.requests.filter(one => one === 'GET kernels/kernel-2')).toHaveLength(1);
    panel.dispose();
    await model.followKernel('kernel-1');
    expect(model.session.state.environment?.id).toBe(analysis.id);
    expect(panel.packages.state.environment).toBe(teaching.id);
  });

  it('knows where the kernel lives when another environment is shown', async () => {
    await model.session.choose(teaching.id);
    expect(model.session.state).toMatchObject({
      chosen: true,
      environment: { id: teaching.id },
      kernelEnvironment: { id: analysis.id }
    });
    await model.session.choose(analysis.id); // its own: it is followed again
    expect(model.session.state).toMatchObject({ chosen: false, environment: { id: analysis.id } });
  });
});
