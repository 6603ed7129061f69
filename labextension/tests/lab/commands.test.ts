import type { ICommandPalette } from '@jupyterlab/apputils';
import { expect, it, vi } from 'vitest';

import { commands } from '../../src/lab/commands';
import { CommandIDs } from '../../src/lab/tokens';
import { PanelModel } from '../../src/panel/model';
import { english } from '../../src/panel/translation';
import { analysis } from '../memory/world';
import { makeHouse } from './house';

async function open(kernel = 'kernel-1') {
  const house = makeHouse();
  const { manager } = house;
  house.notebook.change(kernel);
  const { service, session } = manager;
  const model = new PanelModel({ service, session, trans: english });
  const show = vi.fn(() => model.connect());
  const palette = { addItem: vi.fn() };
  const shelf = palette as unknown as ICommandPalette;
  void commands.activate(house.app, manager, { model, show }, shelf, null);
  house.restored();
  await vi.waitFor(() => expect(session.state.connection).toBe('ready'));
  return { ...house, model, show, palette };
}

it('can be found in the palette', async () => {
  const { palette, commands: registry } = await open();
  const found = palette.addItem.mock.calls.map(([item]) => (item as { command: string }).command);
  expect(found).toEqual(Object.values(CommandIDs));
  expect(found.map(id => registry.label(id))).toEqual([
    'Packages of This Kernel',
    'Install Packages…',
    'Undo Last Package Change…',
    'Read Packages Again'
  ]);
});

it('search for what was typed somewhere else', async () => {
  const { commands: registry, model, show } = await open();
  await registry.execute(CommandIDs.install, { text: 'rich' });
  expect(show).toHaveBeenCalledOnce();
  expect([model.state.tab, model.search.state.text]).toEqual(['search', 'rich']);
});

it('undo the last change, before anybody looked at the panel', async () => {
  const { commands: registry, manager, server, model } = await open();
  await vi.waitFor(() => expect(manager.session.state.environment).not.toBeNull());
  expect(registry.isEnabled(CommandIDs.undo)).toBe(true);
  await registry.execute(CommandIDs.undo);
  const at = server.requests.indexOf(`POST environments/${analysis.id}/plans`);
  expect(server.bodies[at]).toEqual({ command: 'undo' });
  expect(model.state.tab).toBe('history');
});

it('undo nothing where there is no environment', async () => {
  const { commands: registry, manager, notebook } = await open('kernel-remote');
  await vi.waitFor(() => expect(manager.session.state.kernel?.id).toBe('kernel-remote'));
  expect(registry.isEnabled(CommandIDs.undo)).toBe(false);
  const changed: (string | undefined)[] = [];
  registry.commandChanged.connect((_, { id }) => void changed.push(id));
  notebook.change('kernel-1');
  await vi.waitFor(() => expect(registry.isEnabled(CommandIDs.undo)).toBe(true));
  expect(changed).toContain(CommandIDs.undo);
});

it('read everything again', async () => {
  const { commands: registry, server, model } = await open();
  await model.connect();
  await vi.waitFor(() => expect(model.packages.state.loading).toBe('ready'));
  server.requests.length = 0;
  await registry.execute(CommandIDs.refresh);
  expect(server.requests).toEqual(
    expect.arrayContaining([
      'GET settings',
      'GET kernels/kernel-1',
      `GET environments/${analysis.id}`,
      `GET environments/${analysis.id}/packages`
    ])
  );
});
