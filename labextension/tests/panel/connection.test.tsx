/** What stands between the page and the server answers in its place: a proxy, a hub, a login, another version. */
import { act, screen, waitFor, within } from '@testing-library/react';
import { describe, expect, it } from 'vitest';

import type { ITransportResponse } from '../../src/panel/service';
import { plan } from '../memory/plans';
import type { MemoryServer } from '../memory/server';
import { errorOf } from '../memory/server';
import { open } from './page';

type Answer = Partial<ITransportResponse>;

/** Requests whose path matches get this answer. */
function answer(server: MemoryServer, path: RegExp, with_: Answer | null): void {
  server.before = request => (path.test(request.path) ? with_ : null);
}

const HUB = { status: 424, body: { message: 'ada is not running' } };
const PROXY = { status: 503, body: null };
const LOGIN = { status: 200, body: null };
const NEWER = { status: 200, body: { schema: 2 } };
const CRASH = { status: 500, body: { message: 'Unhandled error', reason: null } };

const panel = () => document.querySelector<HTMLElement>('.jpkg-Panel') ?? expect.fail('no panel');
/** No sentence of the panel is a bare number, and each error has something to press. */
function isClear(): void {
  expect(panel().textContent).not.toMatch(/status \d/);
  for (const note of panel().querySelectorAll<HTMLElement>('.jpkg-Note.jpkg-mod-error')) {
    expect(within(note).getAllByRole('button').length).toBeGreaterThan(0);
  }
}

describe('a view that could not be read', () => {
  const views = [
    ['History', /history$/],
    ['Changes', /^jobs\?/]
  ] as const;
  const answers: [string, Answer, string, string][] = [
    ['a proxy', PROXY, 'What stands before it says 503 Service Unavailable.', 'Try again'],
    [
      'a server that crashed',
      CRASH,
      'It said 500 Internal Server Error: Unhandled error.',
      'Try again'
    ],
    [
      'a login',
      LOGIN,
      'A page came instead of an answer: your login may have run out.',
      'Reload this page'
    ],
    ['a newer server', NEWER, 'It was updated after the page was opened', 'Reload this page'],
    [
      'another server',
      { status: 404 },
      'It may be of another version than this page',
      'Reload this page'
    ]
  ];
  it.each(views.flatMap(view => answers.map(one => [...view, ...one] as const)))(
    '%s (%s), of %s: says why, and what to do',
    async (tab, path, _, given, why, button) => {
      const { server, model, user } = await open();
      answer(server, path, given);
      await user.click(screen.getByRole('tab', { name: tab }));
      await screen.findByText(why, { exact: false });
      expect(screen.getByRole('button', { name: button })).toBeDefined();
      isClear();
      expect(model.session.state.connection).toBe('ready'); // all else of the server is there
      answer(server, path, null);
      await user.click(screen.getByRole('button', { name: 'Try again' }));
      await waitFor(() => expect(screen.queryByText(why, { exact: false })).toBeNull());
    }
  );
});

describe('a server that is gone', () => {
  it('is told once, above views that show what is known', async () => {
    const { server, model, user, reload } = await open();
    answer(server, /./, HUB);
    await user.click(screen.getByRole('tab', { name: 'History' }));
    await screen.findByText('Your Jupyter server is not running');
    expect(screen.getByText('Not read yet')).toBeDefined();
    for (const tab of ['Changes', 'Search', 'Installed']) {
      await user.click(screen.getByRole('tab', { name: new RegExp(`^${tab}`) }));
      expect(panel().querySelectorAll('.jpkg-Note')).toHaveLength(1);
    }
    expect(screen.getByText('anyio')).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Reload this page' }));
    expect(reload).toHaveBeenCalledOnce();
    expect(screen.getByRole('button', { name: 'Try now' })).toBeDefined();
    await user.click(screen.getByRole('tab', { name: 'History' }));
    answer(server, /./, null);
    await act(() => model.session.connect());
    await screen.findByText('%pkg install tabulate');
    expect(model.session.state.connection).toBe('ready');
  });

  it('leaves the history on the page that was read before', async () => {
    const { server, model, user } = await open();
    await user.click(screen.getByRole('tab', { name: 'History' }));
    await screen.findByText('%pkg install tabulate');
    answer(server, /history$/, CRASH);
    await act(() => model.history.refresh());
    expect(screen.getByText('The server failed to answer')).toBeDefined();
    expect(screen.getByText('%pkg install tabulate')).toBeDefined();
    server.down = true;
    await act(() => model.history.refresh());
    expect(screen.queryByText('Not read yet')).toBeNull();
    expect(screen.getByText('%pkg install tabulate')).toBeDefined();
  });

  it('behind a proxy is told so', async () => {
    const { server, user } = await open();
    answer(server, /./, PROXY);
    await user.click(screen.getByRole('tab', { name: 'History' }));
    await screen.findByText('The server does not answer');
    await screen.findByText('What stands before it says 503 Service Unavailable.');
    expect(screen.getByText(/it is tried again and again/)).toBeDefined();
  });

  it.each([
    ['a login', LOGIN, 'The server does not know you any more'],
    ['a newer server', NEWER, 'The server is of another version than this page']
  ])('behind %s: one sentence instead of the views', async (_, given, message) => {
    const { server, user, model } = await open();
    answer(server, /./, given);
    await user.click(screen.getByRole('tab', { name: 'History' }));
    await waitFor(() => expect(model.session.state.connection).toBe('failed'));
    expect(panel().querySelectorAll('.jpkg-Note-message')[0]?.textContent).toBe(message);
    expect(screen.queryByRole('tab')).toBeNull();
    answer(server, /./, null);
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await screen.findByText('%pkg install tabulate'); // what failed is read
  });

  it('fills the search when it is back', async () => {
    const { server, model, user } = await open();
    server.down = true;
    await user.click(screen.getByRole('tab', { name: 'Search' }));
    await waitFor(() => expect(model.session.state.connection).toBe('offline'));
    await user.type(screen.getByRole('textbox'), 'sciki');
    await waitFor(() => expect(model.search.state.asking).toBe('failed'));
    server.down = false;
    await act(() => model.session.connect());
    await screen.findByText('scikit-image');
  });
});

describe('a change', () => {
  const quiet = { ...plan, review: { needed: false, reasons: [] } };

  it('that could not be asked for can be asked for again', async () => {
    const { server, model, user } = await open();
    server.planner = () => quiet;
    answer(server, /plans$/, PROXY);
    await act(() => model.changes.request({ command: 'install rich' }, 'rich'));
    isClear();
    answer(server, /plans$/, null);
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(server.jobsOf('apply')).toHaveLength(1));
    expect(screen.queryByText('The server does not answer')).toBeNull();
  });

  it('that may have begun is not begun again', async () => {
    const { server, model } = await open();
    server.planner = () => quiet;
    server.before = ({ method, path }) => (method === 'POST' && path === 'jobs' ? PROXY : null);
    await act(() => model.changes.request({ command: 'undo' }, 'undo'));
    expect(panel().textContent).toContain('look under Changes whether it began');
    expect(screen.queryByRole('button', { name: 'Try again' })).toBeNull();
  });

  it('that the server refuses has no button for the same again', async () => {
    const { server, model } = await open();
    server.planner = () => errorOf('they do not fit');
    await act(() => model.changes.request({ command: 'install rich' }, 'rich'));
    expect(panel().querySelector('.jpkg-Note-message')?.textContent).toBe('they do not fit');
    expect(screen.queryByRole('button', { name: 'Try again' })).toBeNull();
  });
});

describe('newer versions', () => {
  it('that nobody could tell are not said to be none', async () => {
    const { server, user } = await open({
      prepare: server => answer(server, /outdated$/, { status: 504 })
    });
    await user.click(screen.getByRole('button', { name: /^Outdated/ }));
    await screen.findByText('The server does not answer');
    expect(screen.queryByText('Everything is at its newest version')).toBeNull();
    answer(server, /outdated$/, null);
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await screen.findByText('openssl');
  });
});
