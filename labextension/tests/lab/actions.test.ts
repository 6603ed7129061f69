import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, it, vi } from 'vitest';

import type { ServerEvents } from '../../src/lab/events';
import { OutputHost } from '../../src/lab/output/actions';
import type { Part } from '../../src/lab/output/parts';
import { readPart } from '../../src/lab/output/parts';
import type { IKernel, VerdictLevel } from '../../src/panel/documents';
import { ServiceError } from '../../src/panel/errors';

/** A notebook as far as an output knows it. */
class Notebook {
  readonly node = document.createElement('div');
  readonly output = this.node.appendChild(document.createElement('div'));
  readonly kernel = { id: 'one', interrupt: vi.fn(() => Promise.resolve()) };
  readonly sessionContext = {
    session: { kernel: this.kernel },
    kernelChanged: new Signal<object, void>(this),
    statusChanged: new Signal<object, string>(this)
  };

  /** It has another kernel now. */
  change(id: string): void {
    this.kernel.id = id;
    this.sessionContext.kernelChanged.emit();
  }
}

const restart = vi.fn<ISessionContextDialogs['restart']>(() => Promise.resolve(true));
const cancel = vi.fn();
let kernelChanged: Signal<object, { kernel: string }>;
let level: VerdictLevel = 'none';
const kernel = vi.fn((id: string) =>
  Promise.resolve({ id, verdict: { level, modules: [], text: '' } } as unknown as IKernel)
);
let notebook: Notebook;
let host: OutputHost;
let changes = 0;

beforeEach(() => {
  vi.clearAllMocks();
  kernelChanged = new Signal({});
  notebook = new Notebook();
  const notebooks = {
    find: (fits: (one: Notebook) => boolean) => (fits(notebook) ? notebook : undefined)
  };
  host = new OutputHost({
    notebooks: notebooks as unknown as INotebookTracker,
    consoles: null,
    dialogs: { restart } as unknown as ISessionContextDialogs,
    service: { cancel, kernel },
    events: { kernelChanged: kernelChanged as ServerEvents['kernelChanged'] }
  });
  level = 'required';
  changes = 0;
  host.changed.connect(() => (changes += 1));
});

function verdict(kernel: string | null): Part {
  const part = readPart({ schema: 1, part: 'verdict', level: 'required', text: 'restart', kernel });
  return part ?? expect.fail('not a part');
}

const actions = (kernel: string | null) => host.actions(notebook.output, verdict(kernel));

/** What the server said of its kernel is known. */
async function asked(): Promise<void> {
  actions('one');
  await vi.waitFor(() => expect(changes).toBe(1));
  changes = 0;
}

it('restarts the kernel of the notebook that an output without a kernel’s id is in', async () => {
  await actions(null).restart?.();
  expect(restart).toHaveBeenCalledExactlyOnceWith(notebook.sessionContext);
});

it.each(['one', null])(
  'has no button any more when the notebook has another kernel (%s)',
  async kernel => {
    await asked();
    expect(actions(kernel).restart).toBeDefined();
    notebook.change('two');
    expect(changes).toBe(1);
    expect(actions(kernel)).toEqual({});
  }
);

it('doesn’t restart another kernel when a button is clicked late', async () => {
  await asked();
  const { restart: late } = actions('one');
  expect(late).toBeDefined();
  notebook.change('two');
  await late?.();
  expect(restart).not.toHaveBeenCalled();
});

it.each(['one', null])('has no button after a restart, whoever did it (%s)', async kernel => {
  await asked();
  expect(actions(kernel).restart).toBeDefined();
  notebook.sessionContext.statusChanged.emit('restarting');
  expect(changes).toBe(1);
  expect(actions(kernel)).toEqual({});
  const later = notebook.node.appendChild(document.createElement('div'));
  expect(host.actions(later, verdict(kernel)).restart).toBeDefined();
});

it('has none for a kernel of another notebook, or of another day', () => {
  expect(actions('another')).toEqual({});
  expect(host.actions(document.createElement('div'), verdict(null))).toEqual({});
});

it('has none where the server knows of no restart that is due: it was done before this page', async () => {
  level = 'none';
  expect(actions('one')).toEqual({});
  await vi.waitFor(() => expect(kernel).toHaveResolvedTimes(1));
  expect(actions('one')).toEqual({});
  expect(kernel).toHaveBeenCalledTimes(1); // not once for each rendering
});

it('gets its button as soon as the server knows, and loses it with the verdict', async () => {
  level = 'none';
  actions('one');
  level = 'recommended'; // the first question was answered before
  kernelChanged.emit({ kernel: 'another' });
  kernelChanged.emit({ kernel: 'one' });
  await vi.waitFor(() => expect(changes).toBe(1));
  expect(actions('one').restart).toBeDefined();
  level = 'none';
  kernelChanged.emit({ kernel: 'one' });
  await vi.waitFor(() => expect(changes).toBe(2));
  expect(actions('one')).toEqual({});
  expect(kernel.mock.calls.map(([id]) => id)).toEqual(['one', 'one', 'one']);
});

it('has none while nobody answers', async () => {
  kernel.mockRejectedValueOnce(new ServiceError('unreachable', { message: 'no answer' }));
  actions('one');
  await vi.waitFor(() => expect(kernel).toHaveBeenCalledTimes(1));
  expect(actions('one')).toEqual({});
  kernelChanged.emit({ kernel: 'one' });
  await vi.waitFor(() => expect(actions('one').restart).toBeDefined());
});

it('cancels its job on the server, or interrupts the kernel where there is none', async () => {
  const running = (job: string | null) =>
    readPart({ schema: 1, part: 'progress', state: 'running', text: 'x', kernel: 'one', job }) ??
    expect.fail('not a part');
  await host.actions(notebook.output, running('job-1')).cancel?.();
  expect(cancel).toHaveBeenCalledExactlyOnceWith('job-1');
  expect(notebook.kernel.interrupt).not.toHaveBeenCalled();
  await host.actions(notebook.output, running(null)).cancel?.();
  expect(notebook.kernel.interrupt).toHaveBeenCalledOnce();
});
