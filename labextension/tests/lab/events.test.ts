import type { Event } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { expect, it } from 'vitest';

import { ServerEvents } from '../../src/lab/events';

const BASE = 'https://jupyter-pkgmgr.readthedocs.io/events';

it('sorts what the server tells, and leaves the rest alone', () => {
  const stream = new Signal<object, Event.Emission>({});
  const events = new ServerEvents(stream);
  const heard: object[] = [];
  events.environmentChanged.connect((_, event) => heard.push(event));
  events.jobChanged.connect((_, event) => heard.push(event));
  events.kernelChanged.connect((_, event) => heard.push(event));
  stream.emit({
    schema_id: `${BASE}/environment/v1`,
    environment: 'e',
    fingerprint: 'f',
    changes: []
  });
  stream.emit({ schema_id: `${BASE}/environment/v1`, environment: 'e' });
  stream.emit({
    schema_id: `${BASE}/job/v1`,
    job: 'j',
    environment: 'e',
    state: 'running',
    kind: 'apply'
  });
  stream.emit({ schema_id: `${BASE}/kernel/v1`, kernel: 'k', environment: null, verdict: 'none' });
  stream.emit({
    schema_id: 'https://events.jupyter.org/jupyter_server/kernel_actions/v1',
    kernel: 'x'
  });
  expect(heard).toEqual([
    { environment: 'e', fingerprint: 'f' },
    { environment: 'e', fingerprint: null },
    { job: 'j', environment: 'e', kind: 'apply', state: 'running' },
    { kernel: 'k' }
  ]);
});
