import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';
import { expect, it } from 'vitest';

import { KernelFollower } from '../../src/lab/kernels';

/** As much of a notebook as is followed. */
class Host {
  isDisposed = false;
  readonly disposed = new Signal<this, void>(this);
  readonly kernelChanged = new Signal<this, void>(this);
  readonly statusChanged = new Signal<this, string>(this);

  constructor(public kernel: string | null) {}

  get sessionContext() {
    const { kernelChanged, statusChanged, kernel } = this;
    return {
      kernelChanged,
      statusChanged,
      session: kernel === null ? null : { kernel: { id: kernel } }
    };
  }
}

class Place {
  currentWidget: Widget | null = null;
  readonly currentChanged = new Signal<this, Widget | null>(this);
  readonly hosts = new Set<unknown>();
  readonly has = (widget: Widget) => this.hosts.has(widget);

  focus(widget: unknown): void {
    this.currentWidget = widget as Widget | null;
    this.currentChanged.emit(this.currentWidget);
  }
}

function setUp(...hosts: Host[]) {
  const [shell, tracker] = [new Place(), new Place()];
  for (const host of hosts) {
    tracker.hosts.add(host);
  }
  const follower = new KernelFollower(shell as unknown as JupyterFrontEnd.IShell, [
    tracker as never
  ]);
  const heard: (string | null)[] = [];
  follower.changed.connect(() => heard.push(follower.kernel));
  return { shell, tracker, follower, heard };
}

it('follows the notebook that has the focus, and stays with it when something else has', () => {
  const [first, second] = [new Host('one'), new Host('two')];
  const { shell, follower, heard } = setUp(first, second);
  shell.focus(first);
  shell.focus(second);
  shell.focus({});
  shell.focus(null);
  expect(heard).toEqual(['one', 'two']);
  expect(follower.kernel).toBe('two');
});

it('comes back to a notebook whose tracker says nothing new', () => {
  const [notebook, console_] = [new Host('one'), new Host('two')];
  const { shell, tracker, heard } = setUp(notebook, console_);
  tracker.focus(notebook);
  shell.focus(notebook);
  shell.focus(console_);
  shell.focus(notebook);
  expect(heard).toEqual(['one', 'two', 'one']);
});

it('hears of another kernel, and of the same one that begins anew', () => {
  const host = new Host(null);
  const { shell, follower, heard } = setUp(host);
  const restarted: string[] = [];
  follower.restarted.connect((_, kernel) => restarted.push(kernel));
  shell.focus(host);
  host.kernel = 'one';
  host.kernelChanged.emit();
  for (const status of ['busy', 'restarting', 'idle', 'autorestarting']) {
    host.statusChanged.emit(status);
  }
  expect(heard).toEqual([null, 'one']);
  expect(restarted).toEqual(['one', 'one', 'one']); // it ends, is there again, and ends
});

it('lets go of a notebook that is closed', () => {
  const host = new Host('one');
  const { shell, tracker, follower, heard } = setUp(host);
  shell.focus(host);
  host.isDisposed = true;
  tracker.hosts.delete(host);
  shell.currentWidget = null;
  host.disposed.emit();
  expect(follower.kernel).toBeNull();
  expect(heard).toEqual(['one', null]);
});
