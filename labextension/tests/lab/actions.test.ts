import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { beforeEach, expect, it, vi } from 'vitest';

import { OutputHost } from '../../src/lab/output/actions';
import type { Part } from '../../src/lab/output/parts';
import { readPart } from '../../src/lab/output/parts';

// Notebooks want a whole browser, and none of these tests runs a cell.
vi.mock('@jupyterlab/notebook', () => ({ NotebookActions: {} }));

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
let notebook: Notebook;
let host: OutputHost;
let changes = 0;

beforeEach(() => {
  vi.clearAllMocks();
  notebook = new Notebook();
  const notebooks = {
    find: (fits: (one: Notebook) => boolean) => (fits(notebook) ? notebook : undefined)
  };
  host = new OutputHost({
    notebooks: notebooks as unknown as INotebookTracker,
    consoles: null,
    dialogs: { restart } as unknown as ISessionContextDialogs,
    service: { cancel }
  });
  changes = 0;
  host.changed.connect(() => (changes += 1));
});

function verdict(kernel: string | null): Part {
  const part = readPart({ schema: 1, part: 'verdict', level: 'required', text: 'restart', kernel });
  return part ?? expect.fail('not a part');
}

const actions = (kernel: string | null) => host.actions(notebook.output, verdict(kernel));

it('restarts the kernel of the notebook that an output without a kernel’s id is in', async () => {
  await actions(null).restart?.();
  expect(restart).toHaveBeenCalledExactlyOnceWith(notebook.sessionContext);
});

it.each(['one', null])(
  'has no button any more when the notebook has another kernel (%s)',
  kernel => {
    expect(actions(kernel).restart).toBeDefined();
    notebook.change('two');
    expect(changes).toBe(1);
    expect(actions(kernel)).toEqual({});
  }
);

it('doesn’t restart another kernel when a button is clicked late', async () => {
  const { restart: late } = actions('one');
  notebook.change('two');
  await late?.();
  expect(restart).not.toHaveBeenCalled();
});

it.each(['one', null])('has no button after a restart, whoever did it (%s)', kernel => {
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
