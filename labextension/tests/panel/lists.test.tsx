import './page';

import { act, screen, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import { effect, pendingChange } from '../../src/panel/cart';
import { hintHere, pieces } from '../../src/panel/hints';
import { errorOf } from '../memory/server';
import { analysis } from '../memory/world';
import { open } from './page';

describe('a long list', () => {
  it('shows its first entries, and more on demand', async () => {
    const { model, user } = await open({
      prepare: ({ world }) => {
        const [entry] = world.history;
        world.history = Array.from({ length: 120 }, (_, index) => ({
          ...(entry ?? expect.fail('no history')),
          id: `t-${index}`,
          undoes: []
        }));
      }
    });
    act(() => model.setTab('history'));
    const list = await screen.findByRole('list', { name: 'History' });
    const count = () => list.querySelectorAll('article').length;
    expect(count()).toBe(50);
    await user.click(screen.getByRole('button', { name: 'Show 50 more' }));
    expect(count()).toBe(100);
    await user.click(screen.getByRole('button', { name: 'Show 20 more' }));
    expect(count()).toBe(120);
    expect(screen.queryByRole('button', { name: /^Show / })).toBeNull();
  });

  it('of jobs does the same', async () => {
    const { model } = await open({
      prepare: server => {
        for (let index = 0; index < 60; index += 1) {
          server.end(server.addJob('apply', analysis.id).id, 'succeeded');
        }
      }
    });
    act(() => model.setTab('changes'));
    const jobs = screen.getByRole('list', { name: 'Jobs' });
    expect(jobs.querySelectorAll('article')).toHaveLength(50);
    expect(screen.getByRole('button', { name: 'Show 10 more' })).toBeDefined();
  });
});

describe('what was collected', () => {
  it('is called what it does', async () => {
    const { model, user } = await open();
    await act(() => model.details.show('numpy'));
    for (const version of ['2.0.2', '2.3.1']) {
      await user.selectOptions(screen.getByRole('combobox', { name: 'Version' }), version);
      await user.click(
        screen.getByRole('button', { name: `Add to changes: Change to ${version}` })
      );
      const [pending] = model.changes.state.cart;
      expect(pending && effect(pending)).toBe(version === '2.0.2' ? 'downgrade' : 'upgrade');
    }
    expect(screen.getByText('Among the changes: upgrade 2.3.1')).toBeDefined();
    await user.selectOptions(screen.getByRole('combobox', { name: 'Version' }), '2.0.2');
    await user.click(screen.getByRole('button', { name: 'Add to changes: Change to 2.0.2' }));
    act(() => model.changes.add(pendingChange('install', 'rich')));
    act(() => model.setTab('changes'));
    const items = within(screen.getByRole('region', { name: 'Collected changes' }))
      .getAllByRole('listitem')
      .map(({ textContent }) => textContent);
    expect(items).toEqual(['↓downgradenumpy2.1.3 → 2.0.2', '+installrich']);
  });
});

describe('a hint', () => {
  const cases: [string, ReturnType<typeof hintHere>][] = [
    ['try again', { text: 'try again', isTyped: false, command: null }],
    ['remove b as well, or --force', { text: 'remove b as well', isTyped: false, command: null }],
    [
      'use a virtual environment (python -m venv), or --break-system-packages if you like',
      { text: 'use a virtual environment (python -m venv)', isTyped: false, command: null }
    ],
    [
      'there may be one that fits: %pkg update b; --force accepts the break',
      { text: 'there may be one that fits: %pkg update b', isTyped: false, command: 'update b' }
    ],
    ['%pkg install numpy', { text: '%pkg install numpy', isTyped: true, command: 'install numpy' }],
    [
      '%pkg why b shows what for',
      { text: '%pkg why b shows what for', isTyped: true, command: null }
    ],
    ['%pkg remove old first', { text: '%pkg remove old first', isTyped: true, command: null }],
    ['-v shows it', { text: '-v shows it', isTyped: true, command: null }],
    ['drop --offline', { text: 'drop --offline', isTyped: true, command: null }]
  ];
  it.each(cases)('%s', (hint, here) => expect(hintHere(hint)).toEqual(here));

  it.each([
    ['%pkg why b shows what for', ['%pkg why b']],
    ['%pkg install "a>=2, <3"', ['%pkg install "a>=2, <3"']],
    ['there may be one: %pkg update b', ['%pkg update b']],
    ['%pkg history lists them; %pkg undo 2 takes two back', ['%pkg history', '%pkg undo 2']],
    ['%pkg doctor, then %pkg undo', ['%pkg doctor', '%pkg undo']],
    ['drop --offline', ['--offline']]
  ])('%s: only what is to be typed looks so', (hint, typed) => {
    const found = pieces(hint);
    expect(found.filter(({ isTyped }) => isTyped).map(({ text }) => text)).toEqual(typed);
    expect(found.map(({ text }) => text).join('')).toBe(hint);
  });

  it('has a button without the quotes of a command', async () => {
    const { model, server } = await open();
    server.planner = () => ({ ...errorOf('no'), hint: '%pkg install "numpy>=2"' });
    await act(() => model.changes.request({ command: 'install nump' }, 'nump'));
    expect(screen.getByRole('button', { name: 'Install numpy>=2' })).toBeDefined();
  });

  it('that is a change can be planned at once', async () => {
    const { model, server, user } = await open();
    server.planner = () => ({
      ...errorOf('there is no nump'),
      hint: '%pkg install numpy'
    });
    await act(() => model.changes.request({ command: 'install nump' }, 'nump'));
    await user.click(screen.getByRole('button', { name: 'Install numpy' }));
    expect(server.bodies).toContainEqual({ command: 'install numpy' });
  });
});
