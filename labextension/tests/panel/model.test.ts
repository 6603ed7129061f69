// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { IChange, PlanRequest } from '../../src/panel/documents';
import type { PanelModel } from '../../src/panel/model';
import { MemoryServer } from '../memory/server';
import { blocked, change, one, plan } from '../memory/plans';
import { analysis, makeWorld, server as serverEnvironment, teaching } from '../memory/world';
import { connect, modelOf, until } from './connected';

let server: MemoryServer;
let model: PanelModel;
const restart = vi.fn<(kernel: string) => Promise<boolean>>();

const quiet = { ...plan, review: { needed: false, reasons: [] } };
const applied = (verdict: 'none' | 'required' = 'none', changes: IChange[] = []) => ({
  transaction: 't-9',
  seconds: 1,
  fingerprint: 'f2',
  changes,
  warnings: [],
  verdicts: {
    'kernel-1': {
      level: verdict,
      modules: verdict === 'none' ? [] : ['numpy'],
      text: 'numpy changed'
    }
  }
});

const connected = (kernel: string | null = 'kernel-1') => connect(model, kernel);

beforeEach(() => {
  server = new MemoryServer(makeWorld());
  restart.mockReset().mockResolvedValue(true);
  model = modelOf(server, restart);
});

afterEach(() => model.dispose());

describe('following the kernel', () => {
  it('shows its environment, and what is installed there', async () => {
    await connected();
    expect(model.session.state.environment?.name).toBe('analysis');
    expect(model.packages.state.counts).toMatchObject({ all: 65, outdated: 3, problems: 1 });
    expect(model.packages.find('NumPy')?.newest).toBe('2.3.1');
  });

  it('switches with it, and loses nothing that was collected', async () => {
    await connected();
    model.changes.add({
      action: 'install',
      name: 'rich',
      ecosystem: null,
      version: null,
      installed: ''
    });
    await model.followKernel('kernel-2');
    expect(model.session.state.environment?.id).toBe(teaching.id);
    expect(model.changes.state.cart).toEqual([]);
    expect(model.changes.state.elsewhere).toMatchObject([
      { environment: analysis.id, name: 'analysis', count: 1 }
    ]);
    await model.followKernel('kernel-1');
    expect(model.changes.state.cart.map(({ name }) => name)).toEqual(['rich']);
    expect(model.changes.state.elsewhere).toEqual([]);
  });

  it('shows the last of several that were switched to at once', async () => {
    await connected();
    await Promise.all([
      model.followKernel('kernel-2'),
      model.followKernel('kernel-1'),
      model.followKernel('kernel-2')
    ]);
    await until(() => model.packages.state.loading === 'ready');
    expect(model.packages.state.environment).toBe(teaching.id);
    expect(model.packages.state.fingerprint).toBe('t1');
  });

  it('offers the environments where there is none', async () => {
    await connected(null);
    expect(model.session.state.environment).toBeNull();
    expect(model.session.state.environments).toHaveLength(4);
    await model.session.choose(serverEnvironment.id);
    expect(model.session.state).toMatchObject({ chosen: true, environment: { name: 'base' } });
    await model.followKernel('kernel-1');
    expect(model.session.state).toMatchObject({ chosen: false, environment: { name: 'analysis' } });
  });

  it('says why there is no environment of a remote kernel', async () => {
    await connected();
    await model.followKernel('kernel-remote');
    expect(model.session.state.kernel?.why).toContain('%pkg');
    expect(model.session.state.environment).toBeNull();
    expect(model.session.state.environments).toHaveLength(4);
  });

  it('keeps its environment when the kernel is gone, as after a new start of the server', async () => {
    await connected();
    delete server.world.kernels['kernel-1'];
    for (const reason of ['an event', 'a poll']) {
      await model.session.refresh();
      expect(model.session.state.error?.reference, reason).toBe('kernel-not-found');
      expect(model.session.state.environment?.id).toBe(analysis.id);
    }
    await model.followKernel('kernel-2'); // the notebook has a new one
    expect(model.session.state).toMatchObject({ error: null, environment: { id: teaching.id } });
  });

  it('shows what the server says of a kernel that is gone', async () => {
    await connected();
    await model.followKernel('nobody');
    expect(model.session.state.error?.reference).toBe('kernel-not-found');
    expect(model.session.state.environments).not.toBeNull(); // something to choose from
    await model.session.choose(teaching.id);
    expect(model.session.state).toMatchObject({ error: null, environment: { id: teaching.id } });
  });
});

describe('a change', () => {
  beforeEach(() => connected());

  it('that is only what was asked for is applied without a question', async () => {
    server.planner = () => quiet;
    server.onJob = job => server.end(job.id, 'succeeded', { result: applied() });
    const phases: string[] = [];
    model.changes.subscribe(() => phases.push(model.changes.state.phase));
    await model.changes.applyOne({
      action: 'install',
      name: 'rich',
      ecosystem: null,
      version: null,
      installed: ''
    });
    expect(server.bodies).toContainEqual({ verb: 'install', specs: ['rich'] });
    expect(phases).not.toContain('review');
    expect(model.changes.state).toMatchObject({ phase: 'idle', error: null });
    expect(server.jobsOf('apply')).toHaveLength(1);
  });

  it('with more to it waits for a decision', async () => {
    server.planner = () => plan;
    server.onJob = job => server.end(job.id, 'succeeded', { result: applied() });
    const done = model.changes.request({ command: 'install x' }, 'x');
    await until(() => model.changes.state.phase === 'review');
    expect(server.jobsOf('apply')).toHaveLength(0);
    expect(model.changes.state.plan?.review.reasons).toHaveLength(2);
    model.changes.decide('apply');
    await done;
    expect(server.jobsOf('apply')).toHaveLength(1);
  });

  it('is not applied when the user goes back', async () => {
    server.planner = () => plan;
    model.changes.add({
      action: 'install',
      name: 'rich',
      ecosystem: null,
      version: null,
      installed: ''
    });
    const done = model.changes.applyCart();
    await until(() => model.changes.state.phase === 'review');
    model.changes.decide('back');
    await done;
    expect(server.jobsOf('apply')).toHaveLength(0);
    expect(model.changes.state.cart).toHaveLength(1);
    expect(model.changes.state.phase).toBe('idle');
  });

  it('that is blocked is shown whatever the server says of a review', async () => {
    server.planner = () => ({ ...blocked, review: { needed: false, reasons: [] } });
    const done = model.changes.request({ command: 'remove ipykernel' }, 'x');
    await until(() => model.changes.state.phase === 'review');
    model.changes.decide('back');
    await done;
    expect(server.jobsOf('apply')).toHaveLength(0);
  });

  it('that is none says so', async () => {
    server.planner = () => ({ ...quiet, steps: [], satisfied: [one('numpy', '2.1.3')] });
    await model.changes.request({ command: 'install numpy' }, 'numpy');
    expect(model.changes.state.outcome).toContain('already');
    expect(model.announcer.state.text).toContain('already');
  });

  it('that can not be planned shows why, and keeps what was collected', async () => {
    server.planner = () => ({
      reference: 'conflict',
      message: 'a and b do not fit',
      context: [],
      note: null,
      hint: null,
      detail: null
    });
    model.changes.add({
      action: 'install',
      name: 'rich',
      ecosystem: null,
      version: null,
      installed: ''
    });
    await model.changes.applyCart();
    expect(model.changes.state).toMatchObject({ phase: 'idle', error: { reference: 'conflict' } });
    expect(model.changes.state.cart).toHaveLength(1);
    expect(model.announcer.state).toMatchObject({ text: 'a and b do not fit', urgent: true });
  });

  it('can be cancelled while it runs', async () => {
    server.planner = () => quiet;
    const done = model.changes.request({ command: 'install x' }, 'x');
    await until(
      () => model.changes.state.phase === 'applying' && server.jobsOf('apply').length === 1
    );
    await until(() => model.changes.state.job === server.jobsOf('apply')[0]?.id);
    await model.changes.cancel();
    await done;
    expect(server.jobsOf('apply')[0]?.state).toBe('cancelled');
    expect(model.changes.state).toMatchObject({ phase: 'idle', error: null });
    expect(model.changes.state.outcome).toContain('as it was');
  });

  it('waits until another one is through', async () => {
    server.planner = () => plan;
    const first = model.changes.request({ command: 'install x' }, 'x');
    await until(() => model.changes.state.phase === 'review');
    await model.changes.request({ command: 'install y' }, 'y');
    expect(server.jobsOf('plan')).toHaveLength(1);
    model.changes.decide('back');
    await first;
  });

  it('of several kinds is one: all of it is done, or nothing', async () => {
    const planned: PlanRequest[] = [];
    server.planner = request => {
      planned.push(request);
      return quiet;
    };
    server.onJob = job => {
      const state = server.jobsOf('apply').length === 2 ? 'succeeded' : 'rolled-back';
      const error = {
        reference: 'x',
        message: 'no space left',
        context: [],
        note: null,
        hint: null,
        detail: null
      };
      server.end(job.id, state, state === 'succeeded' ? { result: applied() } : { error });
    };
    model.changes.add({
      action: 'install',
      name: 'rich',
      ecosystem: null,
      version: null,
      installed: ''
    });
    model.changes.add({
      action: 'remove',
      name: 'six',
      ecosystem: null,
      version: null,
      installed: '1'
    });
    await model.changes.applyCart();
    expect(planned).toEqual([
      {
        requests: [
          { verb: 'remove', specs: ['six'] },
          { verb: 'install', specs: ['rich'] }
        ]
      }
    ]);
    expect(model.changes.state.cart.map(({ name }) => name)).toEqual(['rich', 'six']);
    expect(model.changes.state.error?.message).toBe('no space left');
    await model.changes.applyCart();
    expect(model.changes.state).toMatchObject({ cart: [], error: null });
    expect(server.jobsOf('apply')).toHaveLength(2);
  });

  it('of one environment goes on when another is shown', async () => {
    server.planner = () => quiet;
    model.changes.add({
      action: 'install',
      name: 'rich',
      ecosystem: null,
      version: null,
      installed: ''
    });
    const done = model.changes.applyCart();
    await until(() => server.jobsOf('apply').length === 1);
    await model.followKernel('kernel-2');
    const [job] = server.jobsOf('apply');
    server.end(job?.id ?? '', 'succeeded', { result: applied() });
    await done;
    expect(model.changes.state).toMatchObject({ cart: [], elsewhere: [] });
    expect(job?.environment).toBe(analysis.id);
  });

  it('brings a verdict, which a restart answers', async () => {
    server.planner = () => quiet;
    const changed = change('upgrade', one('numpy', '2.1.3'), one('numpy', '2.3.1'), true);
    server.onJob = job =>
      server.end(job.id, 'succeeded', { result: applied('required', [changed]) });
    await model.changes.request({ command: 'update numpy' }, 'numpy');
    expect(model.session.state.verdict?.level).toBe('required');
    restart.mockResolvedValueOnce(false); // the user thought better of it
    await model.restartKernel();
    expect(model.session.state.verdict?.level).toBe('required');
    restart.mockResolvedValueOnce(true);
    await model.restartKernel();
    expect(restart).toHaveBeenCalledWith('kernel-1');
    expect(model.session.state.verdict).toBeNull();
  });

  it('brings a verdict of the server, which counts until the server says otherwise', async () => {
    const kernel = server.world.kernels['kernel-1'];
    const verdict = { level: 'recommended', modules: ['numpy'], text: 'numpy changed' } as const;
    Object.assign(kernel ?? {}, { verdict });
    await model.session.refresh();
    expect(model.session.state.verdict?.level).toBe('recommended');
    await model.session.restarted(); // the page heard of it before the server did
    Object.assign(kernel ?? {}, { verdict: null });
    await model.session.refresh();
    expect(model.session.state.verdict).toBeNull();
  });
});

describe('jobs', () => {
  it('that are cancelled before they begin are no error of the panel', async () => {
    const job = server.addJob('apply', analysis.id, { state: 'queued', position: 1 });
    await connected();
    await until(() => model.jobs.find(job.id) !== undefined);
    await model.jobs.cancel(job.id);
    expect(model.jobs.state.error).toBeNull();
    expect(model.jobs.find(job.id)?.job.state).toBe('cancelled');
  });

  it('that run already are followed, after a reload too', async () => {
    const job = server.addJob('run', analysis.id, { title: '%pkg install rich', face: 'kernel' });
    await connected();
    await until(() => model.jobs.find(job.id) !== undefined);
    server.end(job.id, 'succeeded', { result: applied('required') });
    await until(() => model.session.state.verdict !== null);
    expect(model.jobs.find(job.id)?.job.state).toBe('succeeded');
    expect(model.announcer.state.text).toBe('Done: %pkg install rich');
  });

  it('that others start appear when the host hears of them', async () => {
    await connected();
    const job = server.addJob('apply', analysis.id);
    model.jobChanged(teaching.id);
    model.jobChanged(analysis.id);
    await until(() => model.jobs.find(job.id) !== undefined);
  });

  it('that ended before are no news, and their log is read on demand', async () => {
    const job = server.addJob('apply', analysis.id, { title: 'old' });
    server.emit(job.id, { type: 'display', key: 'k', data: { 'text/plain': 'done long ago' } });
    server.end(job.id, 'succeeded', { result: applied('required') });
    await connected();
    await until(() => model.jobs.find(job.id) !== undefined);
    expect(model.session.state.verdict).toBeNull();
    await model.jobs.readLog(job.id);
    expect([...(model.jobs.find(job.id)?.progress.displays.values() ?? [])]).toEqual([
      'done long ago'
    ]);
    expect(model.session.state.verdict).toBeNull();
  });
});

describe('the connection', () => {
  it('that has no extension at its end says so', async () => {
    server.absent = true;
    await model.connect();
    expect(model.session.state.connection).toBe('absent');
  });

  it('that is lost is tried again, and everything is read anew', async () => {
    vi.useFakeTimers();
    const settle = () => vi.advanceTimersByTimeAsync(20);
    void model.followKernel('kernel-1');
    void model.connect();
    await settle();
    server.goDown();
    void model.packages.refresh();
    await settle();
    expect(model.session.state.connection).toBe('offline');
    expect(model.packages.state.visible).toHaveLength(65);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(model.session.state.connection).toBe('offline');
    server.down = false;
    server.world.packages[analysis.id] = {
      fingerprint: 'f3',
      packages: [],
      problems: [],
      notes: []
    };
    await vi.advanceTimersByTimeAsync(15_100);
    expect(model.session.state.connection).toBe('ready');
    expect(model.packages.state.fingerprint).toBe('f3');
    vi.useRealTimers();
  });

  it('is missed by a job that is followed, though nobody asks for anything else', async () => {
    const job = server.addJob('apply', analysis.id);
    await connected();
    await until(() => model.jobs.find(job.id) !== undefined && server.held > 0);
    server.goDown();
    await until(() => model.session.state.connection === 'offline');
    expect(model.jobs.find(job.id)?.lost).toBe(true);
  });

  it('is left alone by a panel that was closed while it asked for a plan', async () => {
    await connected();
    server.planner = () => quiet;
    const change = model.changes.request({ command: 'install rich' }, 'rich');
    model.dispose();
    await change;
    expect(server.jobsOf('plan')).toHaveLength(1);
    expect(server.jobsOf('apply')).toEqual([]);
    expect(server.requests.filter(one => one.includes('/events'))).toEqual([]);
    expect(server.held).toBe(0);
  });

  it('says nothing when somebody closes the panel in the middle', async () => {
    void model.followKernel('kernel-1');
    const connecting = model.connect();
    model.dispose();
    await connecting;
    expect(model.session.state).toMatchObject({ connection: 'loading', error: null });
  });
});
