import { Notification } from '@jupyterlab/apputils';
import { afterEach, expect, it, vi } from 'vitest';

import { notifications } from '../../src/lab/notifications';
import type { IKernel, VerdictLevel } from '../../src/panel/documents';
import type { MemoryServer } from '../memory/server';
import type { House } from './house';
import { Notebook, makeHouse } from './house';

const { manager: center } = Notification;
const shown = () => center.notifications.map(({ message }) => message);

function set(server: MemoryServer, kernel: string, patch: Partial<IKernel>): void {
  Object.assign(server.world.kernels[kernel] ?? {}, patch);
}

const saying = (level: VerdictLevel) => ({
  verdict: { level, modules: ['numpy'], text: 'numpy changed' }
});

async function open(prepare?: (server: MemoryServer) => void): Promise<House> {
  const house = makeHouse(prepare);
  void house.notebooks.add(new Notebook('other.ipynb', 'kernel-2'));
  await notifications.activate(house.app, house.manager, house.tracker, null, null, null);
  house.restored();
  await vi.waitFor(() => expect(house.manager.session.state.kernel).not.toBeNull());
  return house;
}

async function judge(house: House, kernel: string, level: VerdictLevel): Promise<void> {
  set(house.server, kernel, saying(level));
  const before = house.server.requests.length;
  house.tell('kernel', { kernel });
  await vi.waitFor(() => expect(house.server.requests.length).toBeGreaterThan(before));
}

afterEach(() => center.dismiss());

it('tells of a kernel elsewhere until it has restarted', async () => {
  const house = await open();
  await judge(house, 'kernel-2', 'required');
  await vi.waitFor(() => expect(shown()).toEqual(['other.ipynb: numpy changed']));
  const [notice] = center.notifications;
  expect(notice).toMatchObject({ type: 'warning', options: { autoClose: false } });
  notice?.options.actions?.[0]?.callback(new MouseEvent('click'));
  await vi.waitFor(() => expect(shown()).toEqual([]));
  expect(house.restart).toHaveBeenCalledOnce();
});

it('goes by itself where a restart is only recommended', async () => {
  await judge(await open(), 'kernel-2', 'recommended');
  await vi.waitFor(() => expect(center.notifications[0]?.options.autoClose).toBe(8000));
});

it('takes back what isn’t true any more', async () => {
  const house = await open();
  await judge(house, 'kernel-2', 'required');
  await vi.waitFor(() => expect(shown()).toHaveLength(1));
  await judge(house, 'kernel-2', 'required'); // no second time
  await judge(house, 'kernel-2', 'none');
  await vi.waitFor(() => expect(shown()).toEqual([]));
});

it('says nothing of the kernel at hand, nor of one that is open nowhere', async () => {
  const house = await open();
  set(house.server, 'kernel-remote', saying('required'));
  house.tell('kernel', { kernel: 'kernel-remote' });
  await judge(house, 'kernel-1', 'required');
  await vi.waitFor(() => expect(house.manager.session.state.verdict?.level).toBe('required'));
  expect(shown()).toEqual([]);
});

it('says once why %pkg isn’t there', async () => {
  const house = await open(server =>
    set(server, 'kernel-1', { attached: 'failed', why: 'it was busy', display_name: 'Python' })
  );
  await vi.waitFor(() =>
    expect(shown()).toEqual(['%pkg is not available in the kernel Python: it was busy'])
  );
  await house.manager.session.refresh();
  expect(shown()).toHaveLength(1);
});
