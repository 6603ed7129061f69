import { screen } from '@testing-library/react';
import { afterEach, expect, it, vi } from 'vitest';

import { sidepanel } from '../../src/lab/sidepanel';
import type { IPackagePanel } from '../../src/lab/tokens';
import { analysis, teaching } from '../memory/world';
import type { House } from './house';
import { makeHouse } from './house';

const ID = 'jupyter-pkgmgr-panel';

async function open(): Promise<House & { panel: IPackagePanel }> {
  const house = makeHouse();
  const panel = sidepanel.activate(house.app, house.manager, null, null, null) as IPackagePanel;
  house.restored();
  await vi.waitFor(() => expect(house.manager.session.state.environment?.id).toBe(analysis.id));
  return { ...house, panel };
}

const asked = ({ server }: House, request: string) =>
  server.requests.filter(one => one === request).length;

afterEach(() => document.body.replaceChildren());

it('stands on the left, and asks for no packages as long as nobody looks', async () => {
  const house = await open();
  expect(house.shell.add).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ id: ID }),
    'left',
    { rank: 450, type: 'Packages' }
  );
  expect(house.panel.model.state.visible).toBe(false);
  expect(house.server.requests.join()).not.toContain('/packages');
});

it('shows the packages at the first look', async () => {
  const { panel, shell } = await open();
  await panel.show();
  expect(shell.activateById).toHaveBeenCalledWith(ID);
  expect(panel.model.state.visible).toBe(true);
  await vi.waitFor(() => expect(panel.model.packages.state.loading).toBe('ready'));
  expect(await screen.findByRole('heading', { name: 'analysis' })).toBeDefined();
});

it('asks once of a kernel, for all of the page', async () => {
  const house = await open();
  await house.panel.show();
  house.server.requests.length = 0;
  house.notebook.change('kernel-2');
  const { model } = house.panel;
  await vi.waitFor(() => expect(model.packages.state.environment).toBe(teaching.id));
  expect(asked(house, 'GET kernels/kernel-2')).toBe(1);
  expect(asked(house, `GET environments/${teaching.id}`)).toBe(1);
  expect(asked(house, 'GET settings')).toBe(0);
});

it('hears what the server tells', async () => {
  const house = await open();
  const { model } = house.panel;
  await house.panel.show();
  await vi.waitFor(() => expect(model.packages.state.loading).toBe('ready'));
  const job = house.server.addJob('apply', analysis.id);
  const facts = { kind: 'apply', state: 'running', environment: analysis.id };
  house.tell('job', { job: job.id, ...facts });
  await vi.waitFor(() => expect(model.jobs.find(job.id)).toBeDefined());
  house.server.world.packages[analysis.id] = {
    fingerprint: 'new',
    packages: [],
    problems: [],
    notes: []
  };
  house.tell('environment', { environment: analysis.id, fingerprint: 'new' });
  await vi.waitFor(() => expect(model.packages.state.fingerprint).toBe('new'));
});
