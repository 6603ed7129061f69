import { describe, expect, it, vi } from 'vitest';

import type { IJob, IJobEvents } from '../../src/panel/documents';
import { ServiceError } from '../../src/panel/errors';
import { followJob, pause } from '../../src/panel/follow';
import { RestPackageService } from '../../src/panel/service';
import { MemoryServer } from '../memory/server';
import { makeWorld } from '../memory/world';

const line = (message: string) => ({
  type: 'event' as const,
  event: {
    kind: 'output' as const,
    step: null,
    phase: null,
    state: '',
    package: '',
    done: null,
    total: null,
    level: '',
    message
  }
});

function started() {
  const server = new MemoryServer(makeWorld());
  const service = new RestPackageService(server.transport);
  const job = server.addJob('apply', 'env-analysis');
  return { server, service, job };
}

const numbers = (pages: IJobEvents[]) =>
  pages.flatMap(({ events }) => events.map(({ number }) => number));

describe('following a job', () => {
  it('reads every event once, until the end', async () => {
    const { server, service, job } = started();
    const pages: IJobEvents[] = [];
    server.emit(job.id, line('one'), line('two'));
    const { signal } = new AbortController();
    const done = followJob(service, job.id, {
      signal,
      onLost: () => expect.fail('nothing was lost'),
      onPage: page => {
        pages.push(page);
        if (page.events.at(-1)?.number === 2) {
          server.emit(job.id, line('three'));
          server.end(job.id, 'succeeded');
        }
      }
    });
    expect((await done).state).toBe('succeeded');
    expect(numbers(pages)).toEqual([1, 2, 3, 4]);
  });

  it('does not wait for ever on a connection that is dead', async () => {
    vi.useFakeTimers();
    const { server, service, job } = started();
    const lost: boolean[] = [];
    const { signal } = new AbortController();
    const done = followJob(service, job.id, {
      signal,
      onLost: error => lost.push(error !== null),
      onPage: () => undefined
    });
    await vi.advanceTimersByTimeAsync(44_000); // as after a sleep: no answer, no error
    expect(lost).toEqual([]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(lost).toEqual([true, false]);
    server.end(job.id, 'succeeded');
    await vi.advanceTimersByTimeAsync(1000);
    expect((await done).state).toBe('succeeded');
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it('goes on where it was asked to', async () => {
    const { server, service, job } = started();
    server.emit(job.id, line('one'), line('two'));
    server.end(job.id, 'succeeded');
    const pages: IJobEvents[] = [];
    const { signal } = new AbortController();
    await followJob(service, job.id, {
      signal,
      after: 2,
      onLost: () => undefined,
      onPage: page => pages.push(page)
    });
    expect(numbers(pages)).toEqual([3]);
  });

  it('outlasts a lost connection without losing or repeating anything', async () => {
    const { server, service, job } = started();
    server.emit(job.id, line('one'));
    const pages: IJobEvents[] = [];
    const lost: boolean[] = [];
    const pauses: number[] = [];
    const { signal } = new AbortController();
    const done = followJob(service, job.id, {
      signal,
      onLost: error => lost.push(error !== null),
      onPage: page => {
        pages.push(page);
        if (page.events.at(-1)?.number === 1) {
          server.goDown();
        }
      },
      sleep: milliseconds => {
        pauses.push(milliseconds);
        if (pauses.length === 3) {
          server.down = false;
          server.emit(job.id, line('two'));
          server.end(job.id, 'rolled-back');
        }
        return Promise.resolve();
      }
    });
    expect((await done).state).toBe('rolled-back');
    expect(numbers(pages)).toEqual([1, 2, 3]);
    expect(lost).toEqual([true, true, true, false]);
    expect(pauses).toEqual([500, 1000, 2000]);
  });

  it('leaves connections of the browser to others, however many jobs there are', async () => {
    const { server, service } = started();
    const { signal } = new AbortController();
    const jobs = Array.from({ length: 7 }, () => server.addJob('apply', 'env-analysis'));
    let most = 0;
    const all = jobs.map(({ id }) =>
      followJob(service, id, {
        signal,
        onLost: () => expect.fail('nothing was lost'),
        onPage: () => (most = Math.max(most, server.held)),
        sleep: async milliseconds => {
          most = Math.max(most, server.held);
          await pause(Math.min(milliseconds, 1), signal);
        }
      })
    );
    for (const { id } of jobs) {
      await pause(5, signal);
      server.end(id, 'succeeded');
    }
    const ended = await Promise.all(all);
    expect(ended.map(({ state }) => state)).toEqual(Array(7).fill('succeeded'));
    expect(most).toBe(1);
  });

  it('waits for no job that stands behind another', async () => {
    const { server, service } = started();
    const { id } = server.addJob('apply', 'env-analysis', { state: 'queued', position: 2 });
    const { signal } = new AbortController();
    server.emit(id, line('waits'));
    const held: number[] = [];
    await followJob(service, id, {
      signal,
      onLost: () => expect.fail('nothing was lost'),
      onPage: () => undefined,
      sleep: () => {
        held.push(server.held);
        if (held.length === 3) {
          server.end(id, 'succeeded');
        }
        return Promise.resolve();
      }
    });
    expect(held).toEqual([0, 0, 0]);
  });

  it('ends when the last events were dropped', async () => {
    const { server, service, job } = started();
    server.emit(job.id, line('one'), line('two'));
    server.end(job.id, 'failed');
    server.drop(job.id, 3);
    const { signal } = new AbortController();
    const ended: IJob = await followJob(service, job.id, {
      signal,
      onLost: () => undefined,
      onPage: () => undefined
    });
    expect(ended.state).toBe('failed');
  });

  it('stops when told to, though it waits', async () => {
    const { service, job } = started();
    const controller = new AbortController();
    const done = followJob(service, job.id, {
      signal: controller.signal,
      onLost: () => undefined,
      onPage: () => undefined
    });
    controller.abort();
    await expect(done).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('says when the job is gone', async () => {
    const { service } = started();
    const { signal } = new AbortController();
    const done = followJob(service, 'nobody', {
      signal,
      onLost: () => undefined,
      onPage: () => undefined
    });
    await expect(done).rejects.toBeInstanceOf(ServiceError);
  });
});

describe('a pause', () => {
  it('ends at once when it is stopped, before or in between', async () => {
    const before = AbortSignal.abort();
    await expect(pause(1_000_000, before)).rejects.toMatchObject({ name: 'AbortError' });
    const controller = new AbortController();
    const between = pause(1_000_000, controller.signal);
    controller.abort();
    await expect(between).rejects.toMatchObject({ name: 'AbortError' });
  });
});
