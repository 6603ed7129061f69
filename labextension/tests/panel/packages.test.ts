// @vitest-environment node
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { explain } from '../../src/panel/explain';
import { Packages } from '../../src/panel/model/packages';
import { RestPackageService } from '../../src/panel/service';
import { english } from '../../src/panel/translation';
import { MemoryServer } from '../memory/server';
import { analysis, makeWorld } from '../memory/world';

const NOTE = '%pkg install scipy (ada@lab, process 7) changes this environment';

let server: MemoryServer;
let packages: Packages;

beforeEach(() => {
  vi.useFakeTimers();
  server = new MemoryServer(makeWorld());
  packages = new Packages({
    service: new RestPackageService(server.transport),
    trans: english,
    say: () => undefined,
    noteLost: () => false,
    explain: error => explain(error, english, false)
  });
});

afterEach(() => {
  packages.dispose();
  vi.useRealTimers();
});

function hold(fingerprint: string, notes: string[]): void {
  server.world.packages[analysis.id] = { fingerprint, packages: [], problems: [], notes };
}

it('are read again by themselves while somebody is changing them', async () => {
  const compared = () => server.requests.filter(text => text.endsWith('/outdated')).length;
  hold('half', [NOTE]);
  void packages.open(analysis.id);
  await vi.advanceTimersByTimeAsync(20);
  expect(packages.state).toMatchObject({ fingerprint: 'half', notes: [NOTE] });
  expect(compared()).toBe(0);
  hold('whole', []);
  await vi.advanceTimersByTimeAsync(4000);
  expect(packages.state).toMatchObject({ fingerprint: 'whole', notes: [] });
  expect(compared()).toBe(1);
  const asked = server.requests.length;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(server.requests).toHaveLength(asked);
});
