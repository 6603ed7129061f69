import { act, screen, waitFor } from '@testing-library/react';
import { expect, it, vi } from 'vitest';

import widget from '../../src/widget';
import { RESTART_EVENT, type IRestartRequest } from '../../src/widget/restart';
import type { IWidgetModel } from '../../src/widget/transport';
import type { ITransportRequest } from '../../src/panel/service';
import { MemoryServer } from '../memory/server';
import { makeWorld } from '../memory/world';

type Message = Omit<ITransportRequest, 'signal'> & { id: string };

/** The comm of one widget, with the server at its other end. */
class Comm implements IWidgetModel {
  readonly server = new MemoryServer(makeWorld());
  readonly listeners = new Map<string, Set<(content: unknown) => void>>();
  kernel = 'kernel-1';

  get(name: string): unknown {
    return name === 'kernel' ? this.kernel : null;
  }

  on(event: string, callback: (content: unknown) => void): void {
    this.listeners.set(event, (this.listeners.get(event) ?? new Set()).add(callback));
  }

  off(event: string, callback: (content: unknown) => void): void {
    this.listeners.get(event)?.delete(callback);
  }

  send(content: unknown): void {
    const { id, ...request } = content as Message;
    void this.server.transport(request).then(answer => this.emit('msg:custom', { id, ...answer }));
  }

  emit(event: string, content: unknown): void {
    this.listeners.get(event)?.forEach(callback => callback(content));
  }

  get listening(): number {
    return [...this.listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

function open() {
  vi.stubGlobal(
    'IntersectionObserver',
    vi.fn(function (this: object) {
      return Object.assign(this, { observe: vi.fn(), disconnect: vi.fn() });
    })
  );
  const comm = new Comm();
  const cell = document.body.appendChild(document.createElement('div'));
  const el = cell.appendChild(document.createElement('div'));
  let close: () => void = () => undefined;
  act(() => {
    close = widget.render({ model: comm, el });
  });
  return {
    comm,
    cell,
    el,
    close: () => {
      act(() => close());
    }
  };
}

it('shows its kernel’s environment, and follows the kernel', async () => {
  const { comm, close } = open();
  expect(await screen.findByRole('heading', { name: 'analysis' })).toBeDefined();
  comm.kernel = 'kernel-2';
  act(() => comm.emit('change:kernel', null));
  expect(await screen.findByRole('heading', { name: '.venv' })).toBeDefined();
  close();
});

it('has elements of its own, and leaves nothing behind', async () => {
  const [first, second] = [open(), open()];
  await waitFor(() => expect(screen.getAllByRole('tablist')).toHaveLength(2));
  // Each widget loads the module anew, and React counts from the beginning: only the prefix tells them apart
  const prefixes = [first, second].map(
    ({ el }) => /jpkg-\d+-/.exec(el.querySelector('[id]')?.id ?? '')?.[0] ?? ''
  );
  expect(prefixes[0]).toMatch(/^jpkg-/);
  expect(prefixes[1]).not.toBe(prefixes[0]);
  first.close();
  second.close();
  expect([first.el.textContent, second.el.textContent]).toEqual(['', '']);
  expect([first.comm.listening, second.comm.listening]).toEqual([0, 0]);
});

it('has its kernel restarted by the page around it', async () => {
  const { cell, comm, close } = open();
  const restart = vi.fn(() => Promise.resolve(true));
  cell.addEventListener(RESTART_EVENT, event => {
    (event as CustomEvent<IRestartRequest>).detail.restart = restart;
  });
  const verdict = { level: 'required', modules: ['numpy'], text: 'numpy changed' };
  Object.assign(comm.server.world.kernels['kernel-2'] ?? {}, { verdict });
  comm.kernel = 'kernel-2';
  act(() => comm.emit('change:kernel', null));
  const button = await screen.findByRole('button', { name: 'Restart the kernel' });
  act(() => button.click());
  expect(restart).toHaveBeenCalledExactlyOnceWith('kernel-2');
  close();
});
