// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { IWidgetModel } from '../../src/widget/transport';
import { CommTransport } from '../../src/widget/transport';

type Receive = (content: unknown) => void;

/** The kernel's end of a comm. */
class Comm implements IWidgetModel {
  readonly sent: Record<string, unknown>[] = [];
  readonly listeners = new Set<Receive>();

  get(): unknown {
    return null;
  }

  on(_: string, callback: Receive): void {
    this.listeners.add(callback);
  }

  off(_: string, callback: Receive): void {
    this.listeners.delete(callback);
  }

  send(content: Record<string, unknown>): void {
    this.sent.push(content);
  }

  get ids(): unknown[] {
    return this.sent.map(({ id }) => id);
  }

  answer(content: unknown): void {
    this.listeners.forEach(listener => listener(content));
  }
}

let comm: Comm;
let transport: CommTransport;

beforeEach(() => {
  vi.useFakeTimers();
  comm = new Comm();
  transport = new CommTransport(comm);
});

afterEach(() => vi.useRealTimers());

describe('requests over a comm', () => {
  it('go out with a number, and come back by it, in any order', async () => {
    const first = transport.send({ method: 'GET', path: 'a' });
    const second = transport.send({
      method: 'POST',
      path: 'b',
      body: { x: 1 },
      headers: { 'If-None-Match': '"e"' }
    });
    expect(comm.sent).toMatchObject([
      { method: 'GET', path: 'a', body: null, headers: {} },
      { method: 'POST', path: 'b', body: { x: 1 }, headers: { 'If-None-Match': '"e"' } }
    ]);
    const [one, two] = comm.ids;
    comm.answer({ id: two, status: 202, body: { schema: 1 }, headers: { ETag: '"f"' } });
    comm.answer({ id: one, status: 304, body: null });
    expect(await second).toEqual({ status: 202, body: { schema: 1 }, headers: { etag: '"f"' } });
    expect(await first).toEqual({ status: 304, body: null, headers: {} });
  });

  it('do not take an answer to nothing for one of theirs', async () => {
    const request = transport.send({ method: 'GET', path: 'a' });
    const [id] = comm.ids;
    comm.answer({ id: '77', status: 200, body: 'no' });
    comm.answer({ id, status: 200, body: 'yes' });
    comm.answer({ id, status: 500, body: 'again' });
    expect(await request).toMatchObject({ body: 'yes' });
  });

  it('are not answered by what another view of the same model asked for', async () => {
    const another = new CommTransport(comm);
    const ours = transport.send({ method: 'GET', path: 'a' });
    const theirs = another.send({ method: 'GET', path: 'b' });
    const [first, second] = comm.ids;
    comm.answer({ id: second, status: 200, body: 'b' });
    comm.answer({ id: first, status: 200, body: 'a' });
    expect(await ours).toMatchObject({ body: 'a' });
    expect(await theirs).toMatchObject({ body: 'b' });
  });

  it('say that the kernel does not answer', async () => {
    const request = transport.send({ method: 'GET', path: 'a' });
    const refused = expect(request).rejects.toMatchObject({ kind: 'unreachable' });
    await vi.advanceTimersByTimeAsync(60_000);
    await refused;
  });

  it('stop waiting when they are told to', async () => {
    const controller = new AbortController();
    const request = transport.send({ method: 'GET', path: 'a', signal: controller.signal });
    controller.abort();
    await expect(request).rejects.toMatchObject({ name: 'AbortError' });
    const never = transport.send({ method: 'GET', path: 'a', signal: AbortSignal.abort() });
    await expect(never).rejects.toMatchObject({ name: 'AbortError' });
    expect(comm.sent).toHaveLength(1);
  });

  it('leave nothing behind', async () => {
    const request = transport.send({ method: 'GET', path: 'a' });
    transport.dispose();
    await expect(request).rejects.toMatchObject({ name: 'AbortError' });
    expect(comm.listeners.size).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('fail at once where the comm is closed', async () => {
    comm.send = () => {
      throw new Error('Cannot send');
    };
    await expect(transport.send({ method: 'GET', path: 'a' })).rejects.toThrow('Cannot send');
    expect(vi.getTimerCount()).toBe(0);
  });
});
