import { cleanup, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { readPart } from '../../src/lab/output/parts';
import type { IOutputActions } from '../../src/lab/output/view';
import { OutputView } from '../../src/lab/output/view';
import { english } from '../../src/panel/translation';

afterEach(cleanup);

function show(document: object, actions: IOutputActions = {}): HTMLElement {
  const part = readPart({ schema: 1, kernel: null, job: null, ...document });
  if (part === null) {
    throw new Error('not a part');
  }
  return render(<OutputView part={part} actions={actions} trans={english} />).container;
}

function change(name: string, requested = false): object {
  return { action: 'install', after: { name, version: '1' }, before: null, requested };
}

describe('a plan', () => {
  const plan = (changes: object[]): object => ({
    part: 'plan',
    plan: {
      environment: 'env',
      steps: [{ engine: 'uv', changes }],
      blockers: [{ message: 'no', note: 'who', hint: 'go' }]
    }
  });

  it('shows what was asked for first, and folds many dependencies', () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    show(plan([...names.map(name => change(name)), change('asked', true)]));
    const [shown, folded] = screen.getAllByRole('table', { hidden: true }) as [
      HTMLElement,
      HTMLElement
    ];
    expect(within(shown).getAllByRole('row')).toHaveLength(2);
    expect(shown.textContent).toContain('asked');
    expect(within(folded).getAllByRole('row', { hidden: true })).toHaveLength(1 + names.length);
    expect(screen.getByText('7 to install')).toBeTruthy();
  });

  it('says of an undo what is taken back, and has no column for reasons that nobody gave', () => {
    show({
      part: 'plan',
      plan: {
        environment: 'env',
        taken_back: ['2026-03-14 07:09  t1  %pkg install a'],
        steps: [{ engine: 'snapshot', changes: [change('a')] }]
      }
    });
    expect(screen.getByText('Undo in env')).toBeTruthy();
    expect(screen.getByText(/%pkg install a/)).toBeTruthy();
    expect(screen.queryByText('Why')).toBeNull();
  });

  it('says what blocks it and what to do', () => {
    expect(show(plan([])).textContent).toContain('Blocked: nonote: whohint: go');
  });
});

describe('buttons', () => {
  it.each([
    [
      'cancel',
      { part: 'progress', state: 'started', title: 'pypi', text: 'downloading' },
      'Cancel'
    ],
    ['restart', { part: 'verdict', level: 'recommended', text: 'restart' }, 'Restart kernel…'],
    ['install', { part: 'hint', package: 'six', command: '%pkg install six' }, 'Install six']
  ])('%s is there only where it can be done', async (action, document, label) => {
    show(document);
    expect(screen.queryByRole('button')).toBeNull();
    cleanup();
    const act = vi.fn(() => Promise.resolve());
    show(document, { [action]: act });
    await userEvent.click(screen.getByRole('button', { name: label }));
    expect(act).toHaveBeenCalledOnce();
  });

  it('a button is off while it works', async () => {
    let finish: () => void = () => undefined;
    const work = new Promise<void>(resolve => (finish = resolve));
    show({ part: 'verdict', level: 'required', text: '' }, { restart: () => work });
    await userEvent.click(screen.getByRole('button'));
    const button = screen.getByRole('button', { name: 'Restarting…' });
    expect(button.getAttribute('aria-disabled')).toBe('true');
    expect(document.activeElement).toBe(button);
    finish();
    expect(await screen.findByRole('button', { name: 'Restart kernel…' })).toBeTruthy();
  });
});

it('a button whose work fails says so', async () => {
  show(
    { part: 'verdict', level: 'required', text: '' },
    { restart: () => Promise.reject(new Error('no way')) }
  );
  await userEvent.click(screen.getByRole('button'));
  expect((await screen.findByRole('alert')).textContent).toBe('no way');
});

describe('progress', () => {
  it('has a bar that tells its value', () => {
    show({
      part: 'progress',
      state: 'started',
      title: 'pypi (uv)',
      text: 'installing',
      done: 1,
      total: 4
    });
    const bar = screen.getByRole<HTMLProgressElement>('progressbar', {
      name: 'pypi (uv): installing'
    });
    expect([bar.value, bar.max]).toEqual([1, 4]);
  });

  it('has none when it has ended', () => {
    show({ part: 'progress', state: 'finished', title: 'pypi', text: '1 change' });
    expect(screen.queryByRole('progressbar')).toBeNull();
  });
});

it('shows markup as the text it is', () => {
  const text = '<img src=x onerror=alert(1)>';
  const container = show({ part: 'error', message: text, context: [text], note: text, hint: text });
  expect(container.querySelector('img')).toBeNull();
  expect(container.textContent).toContain(text);
});
