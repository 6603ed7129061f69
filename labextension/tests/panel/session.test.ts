// @vitest-environment node
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Session } from '../../src/panel/model/session';
import type { Transport } from '../../src/panel/service';
import { RestPackageService } from '../../src/panel/service';
import { MemoryServer } from '../memory/server';
import { analysis, makeWorld } from '../memory/world';

let server: MemoryServer;
let session: Session;

function sessionWith(transport: Transport): Session {
  return new Session(new RestPackageService(transport));
}

async function connected(): Promise<void> {
  await session.follow('kernel-1');
  await session.connect();
}

beforeEach(() => {
  server = new MemoryServer(makeWorld());
  session = sessionWith(server.transport);
});

afterEach(() => session.dispose());

describe('a kernel', () => {
  it('does not get a late answer about the last one', async () => {
    let answer: () => void = () => undefined;
    const late = new Promise<void>(resolve => (answer = resolve));
    session = sessionWith(async request => {
      if (request.path !== 'kernels/gone') {
        return server.transport(request);
      }
      await late;
      return { status: 404, body: { schema: 1, error: { message: 'gone' } }, headers: {} };
    });
    await session.connect();
    const first = session.follow('gone');
    await session.follow('kernel-1');
    answer();
    await first;
    expect(session.state.error).toBeNull();
    expect(session.state.environment?.id).toBe(analysis.id);
  });
});

describe('the connection', () => {
  it('comes back by itself, though somebody tried in vain meanwhile', async () => {
    vi.useFakeTimers();
    server.goDown();
    await session.connect();
    expect(session.state.connection).toBe('offline');
    await session.connect(); // the button
    server.down = false;
    await vi.advanceTimersByTimeAsync(15_000);
    expect(session.state.connection).toBe('ready');
    vi.useRealTimers();
  });
});

describe('a verdict of the server', () => {
  const said = { level: 'required' as const, modules: ['numpy'], text: 'numpy changed' };
  const server1 = () => {
    const kernel = server.world.kernels['kernel-1'];
    if (!kernel) {
      throw new Error('no kernel-1');
    }
    return kernel;
  };
  const say = (verdict: typeof said | null) => {
    server.world.kernels['kernel-1'] = { ...server1(), verdict };
  };

  it('ends with the restart, which the server sees later than the host', async () => {
    say(said);
    await connected();
    expect(session.state.verdict?.level).toBe('required');
    await session.restarted();
    expect(session.state.verdict).toBeNull();
    say(null);
    await session.refresh();
    expect(session.state.verdict).toBeNull();
    say(said); // of what was changed after the restart
    await session.refresh();
    expect(session.state.verdict?.level).toBe('required');
  });

  it('can be taken back by the server', async () => {
    say(said);
    await connected();
    say(null);
    await session.refresh();
    expect(session.state.verdict).toBeNull();
  });
});
