import { StatusBar } from '@jupyterlab/statusbar';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { status } from '../../src/lab/status';
import { CommandIDs } from '../../src/lab/tokens';
import type { MemoryServer } from '../memory/server';
import { analysis, teaching } from '../memory/world';
import type { House } from './house';
import { makeHouse } from './house';

let house: House;

const item = () => document.querySelector<HTMLElement>('.jpkg-Status');
const busy = () => document.querySelector('.jpkg-Status-busy') !== null;

async function open(prepare?: (server: MemoryServer) => void): Promise<void> {
  house = makeHouse(prepare);
  const bar = new StatusBar();
  Widget.attach(bar, document.body);
  await status.activate(house.app, house.manager, bar, null, null);
  house.restored();
  await vi.advanceTimersByTimeAsync(100);
}

const event = (job: string, state: string, kind = 'apply', environment = analysis.id) => ({
  ...{ job, state, kind, environment }
});

async function hear(facts: Record<string, string>): Promise<void> {
  house.tell('job', facts);
  await vi.advanceTimersByTimeAsync(50);
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  document.body.replaceChildren();
});

it('names the environment of the kernel, and opens the panel', async () => {
  await open();
  expect(item()?.textContent).toBe('analysis');
  expect(item()?.title).toContain(analysis.prefix);
  const opened = vi.fn();
  house.commands.addCommand(CommandIDs.open, { execute: opened });
  item()?.click();
  expect(opened).toHaveBeenCalledOnce();
});

it('stays with the kernel when the panel shows another environment', async () => {
  await open();
  void house.manager.session.choose(teaching.id);
  await vi.advanceTimersByTimeAsync(50);
  expect(house.manager.session.state.environment?.id).toBe(teaching.id);
  expect(item()?.textContent).toBe('analysis');
});

it('asks for a restart where one is needed', async () => {
  const verdict = { level: 'required', modules: ['numpy'], text: 'numpy changed' };
  await open(server => Object.assign(server.world.kernels['kernel-1'] ?? {}, { verdict }));
  expect(item()?.textContent).toBe('analysisrestart');
  expect(item()?.title).toContain('must be restarted');
});

it('is busy from a job’s beginning to its end', async () => {
  await open();
  await hear(event('a', 'queued'));
  expect(busy()).toBe(false);
  await hear(event('a', 'running'));
  expect(busy()).toBe(true);
  await hear(event('b', 'running', 'run'));
  await hear(event('a', 'succeeded'));
  expect(busy()).toBe(true);
  await hear(event('b', 'failed', 'run'));
  expect(busy()).toBe(false);
});

it('isn’t busy for a look, or for another environment', async () => {
  await open();
  await hear(event('a', 'running', 'plan'));
  await hear(event('b', 'running', 'doctor'));
  await hear(event('c', 'running', 'apply', teaching.id));
  expect(busy()).toBe(false);
});

it('is busy after a reload, with what ran before', async () => {
  await open(server => {
    server.addJob('run', analysis.id);
    server.addJob('doctor', analysis.id);
  });
  expect(busy()).toBe(true);
});

it('isn’t busy for ever when nobody tells of the end', async () => {
  await open();
  const job = house.server.addJob('apply', analysis.id);
  await hear(event(job.id, 'running'));
  await vi.advanceTimersByTimeAsync(30_000);
  expect(busy()).toBe(true); // it does run
  house.server.end(job.id, 'succeeded');
  await vi.advanceTimersByTimeAsync(10_100);
  expect(busy()).toBe(false);
  const asked = house.server.requests.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(house.server.requests).toHaveLength(asked); // nothing to look for any more
});

it('looks what runs when the server is back', async () => {
  await open();
  house.server.goDown();
  void house.manager.session.refresh();
  await vi.advanceTimersByTimeAsync(100);
  expect(house.manager.session.state.connection).toBe('offline');
  house.server.addJob('apply', analysis.id);
  house.server.down = false;
  await vi.advanceTimersByTimeAsync(15_000);
  expect(busy()).toBe(true);
});

it('believes an event that comes while the list is on its way', async () => {
  await open(server => {
    const job = server.addJob('apply', analysis.id);
    server.addJob('doctor', analysis.id);
    const { transport } = server;
    let told = false;
    Object.assign(server, {
      transport: async (request: Parameters<typeof transport>[0]) => {
        const answer = await transport(request);
        if (request.path.startsWith('jobs?') && !told) {
          told = true;
          house.tell('job', event(job.id, 'succeeded'));
        }
        return answer;
      }
    });
  });
  expect(busy()).toBe(false);
});
