import { expect, it, vi } from 'vitest';

import { hostAround, hostOf, restartKernel } from '../../src/lab/restart';
import { analysis, teaching } from '../memory/world';
import type { House } from './house';
import { Notebook, makeHouse } from './house';

async function connected(prepare?: Parameters<typeof makeHouse>[0]): Promise<House> {
  const house = makeHouse(prepare);
  house.restored();
  await vi.waitFor(() => expect(house.manager.session.state.environment?.id).toBe(analysis.id));
  return house;
}

const required = { level: 'required' as const, modules: ['numpy'], text: 'numpy changed' };

function judge({ server }: House, verdict: typeof required | null): void {
  Object.assign(server.world.kernels['kernel-1'] ?? {}, { verdict });
}

it('asks who the server is when the page stands, and not before', async () => {
  const house = makeHouse();
  await Promise.resolve();
  expect(house.server.requests).toEqual([]);
  house.restored();
  await vi.waitFor(() => expect(house.manager.session.state.connection).toBe('ready'));
  expect(house.server.requests[0]).toBe('GET settings');
});

it('follows the kernel of the notebook', async () => {
  const { notebook, manager } = await connected();
  notebook.change('kernel-2');
  await vi.waitFor(() => expect(manager.session.state.environment?.id).toBe(teaching.id));
});

it('reads the kernel again when the server tells of it, and of no other', async () => {
  const house = await connected();
  judge(house, required);
  const refresh = vi.spyOn(house.manager.session, 'refresh');
  house.tell('kernel', { kernel: 'kernel-2' });
  expect(refresh).not.toHaveBeenCalled();
  house.tell('kernel', { kernel: 'kernel-1' });
  await vi.waitFor(() => expect(house.manager.session.state.verdict).toEqual(required));
});

it('forgets a verdict when the kernel begins anew', async () => {
  const house = await connected();
  judge(house, required);
  house.tell('kernel', { kernel: 'kernel-1' });
  await vi.waitFor(() => expect(house.manager.session.state.verdict).toEqual(required));
  house.notebook.sessionContext.statusChanged.emit('restarting');
  expect(house.manager.session.state.verdict).toBeNull();
});

it('restarts a kernel by the dialog of its own notebook', async () => {
  const { manager, notebooks, restart, notebook, tracker, dialogs } = await connected();
  const other = new Notebook('other.ipynb', 'kernel-2');
  void notebooks.add(other);
  expect(await manager.restart('kernel-2')).toBe(true);
  expect(restart).toHaveBeenCalledExactlyOnceWith(other.sessionContext);
  restart.mockResolvedValueOnce(false); // the user thought better of it
  expect(await restartKernel('kernel-1', [tracker], dialogs)).toBe(false);
  expect(restart).toHaveBeenLastCalledWith(notebook.sessionContext);
  expect(await manager.restart('gone')).toBe(false);
  expect(restart).toHaveBeenCalledTimes(2);
});

it('finds the notebook of a kernel, and the one around an element', async () => {
  const { notebook, tracker } = await connected();
  const cell = notebook.node.appendChild(document.createElement('div'));
  expect(hostOf('kernel-1', [tracker])).toBe(notebook);
  expect(hostOf('kernel-2', [tracker])).toBeUndefined();
  expect(hostAround(cell, [tracker])).toBe(notebook);
  expect(hostAround(document.createElement('div'), [tracker])).toBeUndefined();
});
