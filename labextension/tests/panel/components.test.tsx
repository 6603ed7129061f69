import { act, render, screen, waitFor, within } from '@testing-library/react';
import type { UserEvent } from '@testing-library/user-event';
import userEvent from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';

import { pendingChange } from '../../src/panel/cart';
import { Button } from '../../src/panel/components/Button';
import { blocked, change, one, plan } from '../memory/plans';
import type { MemoryServer } from '../memory/server';
import { errorOf, planOf } from '../memory/server';
import { analysis, hostile, manyRows } from '../memory/world';
import { open } from './page';

const grid = () => screen.getByRole('grid', { name: 'Installed packages' });
const rowOf = (name: string) => {
  const row = within(grid()).getByText(name).closest<HTMLElement>('[role="row"]');
  return row ?? expect.fail(`no row of ${name}`);
};
const focusedRow = () => document.activeElement?.querySelector('.jpkg-Ellipsis')?.textContent;

function withVerdict(server: MemoryServer): void {
  const verdict = {
    level: 'required' as const,
    modules: ['numpy'],
    text: 'numpy can not be exchanged'
  };
  Object.assign(server.world.kernels['kernel-1'] ?? {}, { verdict });
}

describe('the list of installed packages', () => {
  it('says how many there are, and renders only what can be seen', async () => {
    await open({
      prepare: server => {
        server.world.packages[analysis.id] = {
          fingerprint: 'x',
          packages: manyRows(5000),
          problems: [],
          notes: []
        };
      }
    });
    expect(grid().getAttribute('aria-rowcount')).toBe('5001');
    expect(within(grid()).getAllByRole('row').length).toBeLessThan(80);
  });

  it('has one row in the order of Tab, and goes with the keys of a grid', async () => {
    const { user } = await open();
    expect(grid().querySelectorAll('[role="row"][tabindex="0"]')).toHaveLength(1);
    act(() => rowOf('anyio').focus());
    await user.keyboard('{ArrowDown}{ArrowDown}');
    expect(focusedRow()).toBe('azure-mgmt-recoveryservicesbackup-passivestamp-crossregion');
    await user.keyboard('{End}');
    expect(focusedRow()).toBe('zstd');
    await user.keyboard('{Home}');
    expect(focusedRow()).toBe('anyio');
    await user.keyboard('{PageDown}');
    expect(focusedRow()).not.toBe('anyio');
    expect(grid().querySelectorAll('[role="row"][tabindex="0"]')).toHaveLength(1);
  });

  it('jumps to what is typed', async () => {
    const { user } = await open();
    act(() => rowOf('anyio').focus());
    await user.keyboard('num');
    expect(focusedRow()).toBe('numpy');
  });

  it('leads to a row’s buttons and back', async () => {
    const { user, model } = await open();
    act(() => model.packages.setFilter('numpy'));
    act(() => rowOf('numpy').focus());
    await user.keyboard('{ArrowRight}');
    expect(document.activeElement?.getAttribute('aria-label')).toBe(
      'Add to changes: update numpy to 2.3.1'
    );
    await user.keyboard('{Enter}');
    expect(model.changes.state.cart).toMatchObject([
      { action: 'update', name: 'numpy', version: '2.3.1' }
    ]);
    await user.keyboard('{ArrowLeft}');
    expect(focusedRow()).toBe('numpy');
    await user.keyboard('{Delete}');
    expect(model.changes.state.cart).toMatchObject([{ action: 'remove', name: 'numpy' }]);
    await user.keyboard('{Delete}');
    expect(model.changes.state.cart).toEqual([]);
  });

  it('opens details with Enter, and takes the focus back when they are closed', async () => {
    const { user, model } = await open();
    act(() => model.packages.setFilter('numpy'));
    act(() => rowOf('numpy').focus());
    await user.keyboard('{Enter}');
    const details = await screen.findByRole('article', { name: 'Details of numpy' });
    expect(document.activeElement?.tagName).toBe('H3');
    await within(details).findByText('BSD-3-Clause');
    await user.keyboard('{Escape}');
    expect(screen.queryByRole('article')).toBeNull();
    expect(focusedRow()).toBe('numpy');
  });

  it('sorts by its headers and says so', async () => {
    const { user } = await open();
    const header = screen.getByRole('columnheader', { name: 'Name' });
    expect(header.getAttribute('aria-sort')).toBe('ascending');
    await user.click(within(header).getByRole('button'));
    expect(header.getAttribute('aria-sort')).toBe('descending');
    expect(within(grid()).getAllByRole('row')[1]?.textContent).toContain('zstd');
  });

  it('offers the search for what is not installed', async () => {
    const { user, model } = await open();
    await user.type(
      screen.getByRole('textbox', { name: 'Filter installed packages' }),
      'tensorflow'
    );
    await user.click(screen.getByRole('button', { name: 'Search for it' }));
    expect(model.search.state.text).toBe('tensorflow');
    expect(screen.getByRole('tab', { name: 'Search' }).getAttribute('aria-selected')).toBe('true');
  });
});

describe('text of packages', () => {
  it('is never markup, and a link of it only leads to the web', async () => {
    const { model } = await open();
    await act(() => model.details.show('spectral'));
    expect(screen.getAllByText(hostile).length).toBeGreaterThan(0);
    expect(document.querySelector('script, img, b')).toBeNull();
    expect(screen.queryByRole('link')).toBeNull();
    await act(() => model.details.show('numpy'));
    const link = screen.getByRole('link', { name: 'numpy.org' });
    expect(link.getAttribute('rel')).toBe('noopener noreferrer');
  });
});

describe('a change that failed', () => {
  it('says why once, wherever one looks', async () => {
    const { user, server, model } = await open();
    const error = errorOf('the disk is full');
    const said = () =>
      // to those who see it
      [...document.querySelectorAll('.jpkg-Note-message')].map(node => node.textContent);
    server.planner = () => planOf({ ...plan, review: { needed: false, reasons: [] } });
    server.onJob = job => server.end(job.id, 'rolled-back', { error });
    await act(() => model.changes.request({ command: 'install rich' }, 'rich'));
    expect(said()).toEqual(['the disk is full']);
    await user.click(screen.getByRole('tab', { name: 'Changes' }));
    const card = await screen.findByRole('article');
    expect(within(card).getByText('the disk is full')).toBeTruthy();
    expect(said()).toEqual(['the disk is full']);
  });
});

describe('by keyboard alone', () => {
  it('a package is found, installed after a look at the plan, and taken back', async () => {
    const { user, server, model } = await open();
    const tabTo = async (text: string) => {
      while (document.activeElement?.textContent !== text) {
        await user.tab();
      }
    };
    server.planner = () => plan;
    server.onJob = job =>
      server.end(job.id, 'succeeded', { result: { changes: [], warnings: [], verdicts: {} } });
    act(() => screen.getByRole('tab', { name: 'Installed' }).focus());
    await user.keyboard('{ArrowRight}');
    await waitFor(() => expect(model.search.state.names).toBe('ready'));
    await user.tab();
    await user.keyboard('scikit-learn{Enter}');
    await screen.findByRole('button', { name: 'Install' });
    await tabTo('Install');
    await user.keyboard('{Enter}');
    const dialog = await screen.findByRole('dialog', { name: 'Plan for analysis' });
    expect(document.activeElement).toBe(
      within(dialog).getByRole('heading', { name: 'Plan for analysis' })
    );
    await user.keyboard('{Enter}');
    expect(server.jobsOf('apply')).toHaveLength(0);
    await tabTo('Apply');
    await user.keyboard('{Enter}');
    await waitFor(() => expect(server.jobsOf('apply')).toHaveLength(1));
    await waitFor(() => expect(model.changes.state.phase).toBe('idle'));
    act(() => screen.getByRole('tab', { name: 'Search' }).focus());
    await user.keyboard('{ArrowRight}{ArrowRight}');
    await screen.findByRole('button', { name: 'Undo %pkg undo t-4' });
    expect(screen.queryByRole('button', { name: 'Undo %pkg install tabulate' })).toBeNull();
    await tabTo('Undo');
    await user.keyboard('{Enter}');
    await waitFor(() => expect(server.bodies).toContainEqual({ command: 'undo t-5' }));
  });

  it('Ctrl+Enter applies what was collected, and not what is in a dialog', async () => {
    const { user, server, model } = await open();
    server.planner = () => blocked;
    act(() => model.changes.add(pendingChange('remove', 'six', { installed: '1' })));
    act(() => screen.getByRole('tab', { name: 'Installed' }).focus());
    await user.keyboard('{Control>}{Enter}{/Control}');
    const dialog = await screen.findByRole('dialog');
    await user.keyboard('{Control>}{Enter}{/Control}');
    expect(server.jobsOf('plan')).toHaveLength(1);
    expect(within(dialog).queryByRole('button', { name: 'Apply' })).toBeNull();
    expect(within(dialog).getByText('the running kernel needs ipykernel')).toBeDefined();
    await user.click(within(dialog).getByRole('button', { name: 'Back' }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(model.changes.state.cart).toHaveLength(1);
  });
});

describe('the plan', () => {
  it('says what, from where and why, the size, and what is at stake', async () => {
    const { server, model } = await open();
    server.planner = () => plan;
    act(() => void model.changes.request({ command: 'install x' }, 'x'));
    const dialog = await screen.findByRole('dialog');
    const row = within(dialog).getByRole('row', { name: /numpy/ });
    expect(row.textContent).toContain('2.1.3 → 2.0.2');
    expect(row.textContent).toContain('downgrade');
    expect(row.textContent).toContain('conda-forge');
    expect(row.textContent).toContain('scipy 1.15.2 needs numpy <2.1');
    expect(dialog.textContent).toContain('47 MB to download');
    expect(dialog.textContent).toContain('numpy is downgraded, which nobody asked for');
    expect(dialog.textContent).toContain('numpy is loaded in this kernel');
    act(() => model.changes.decide('back'));
  });
});

it('what a package needs is told apart from what its extras need', async () => {
  const { model, server } = await open();
  const details = server.world.details.numpy ?? expect.fail('no details');
  details.depends = ['six>=1', 'tomli; python_version < "3.11"', "ruff==0.1; extra == 'dev'"];
  await act(() => model.details.show('numpy'));
  const names = (title: string) =>
    within(screen.getByText(title).closest('section') ?? expect.fail(title))
      .getAllByRole('button')
      .map(({ textContent }) => textContent);
  expect(names('Needs')).toEqual(details.depends.slice(0, 2));
  expect(names('Needs for extras')).toEqual(details.depends.slice(2));
});

describe('the changes', () => {
  it('leave out what only looked, and say who did the rest', async () => {
    const { server, model } = await open();
    const none = { transaction: null, changed_packages: [] };
    const user = 'kernel 2948a8ef-5852-4b98-ac2b-2af2ac14fb5f';
    const run = (title: string) =>
      server.addJob('run', analysis.id, { title, user, face: '%pkg', started: null }).id;
    server.end(run('%pkg list'), 'succeeded', { result: none });
    server.end(run('%pkg install six'), 'succeeded', { result: { ...none, transaction: 't-1' } });
    server.end(run('%pkg install sixx'), 'failed', { error: errorOf('there is no sixx') });
    run('%pkg update');
    server.end(server.addJob('doctor', analysis.id).id, 'succeeded', { result: { problems: [] } });
    await act(() => {
      model.setTab('changes');
      return model.jobs.refresh();
    });
    const jobs = screen.getAllByRole('article');
    expect(jobs.map(job => job.getAttribute('aria-label'))).toEqual([
      '%pkg update',
      '%pkg install sixx',
      '%pkg install six'
    ]);
    expect(document.body.textContent).not.toContain('2948a8ef');
  });
});

describe('other states', () => {
  it('without the server’s side: one sentence and the command', async () => {
    await open({ prepare: server => void (server.absent = true) });
    expect(screen.getByText('The server side of this panel is not running')).toBeDefined();
    expect(screen.getByText('python -m pip install jupyter_pkgmgr')).toBeDefined();
  });

  it('with a list that is not as it should be: what happened, and a way out', async () => {
    const { user, server } = await open({
      prepare: one => {
        one.world.packages[analysis.id] = { packages: [{}], problems: [] } as never;
      }
    });
    server.world.packages[analysis.id] = {
      fingerprint: 'whole',
      packages: manyRows(3),
      problems: [],
      notes: []
    };
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByText('package-00002')).toBeDefined();
  });

  it('with details that can not be shown: the rest stays', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    const { user, model } = await open({
      prepare: one => {
        one.world.details.numpy = { name: 'numpy' } as never;
      }
    });
    await act(() => model.details.show('numpy'));
    expect(said).toHaveBeenCalled();
    await user.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(grid()).toBeDefined());
  });

  it('without a kernel: the environments to choose from', async () => {
    const { user } = await open({ kernel: null });
    await user.click(screen.getByRole('button', { name: /r-statistics/ }));
    expect(await screen.findByRole('heading', { name: 'r-statistics' })).toBeDefined();
    expect(await screen.findByText('Nothing is installed here yet')).toBeDefined();
  });

  it('after a switch: what waits elsewhere, and the way there', async () => {
    const { user, model } = await open();
    act(() => model.changes.add(pendingChange('install', 'rich')));
    await act(() => model.followKernel('kernel-2'));
    expect(screen.getByText(/1 change waits for analysis/)).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Go there' }));
    expect(await screen.findByRole('heading', { name: 'analysis' })).toBeDefined();
    expect(screen.getByRole('button', { name: '1 change' })).toBeDefined();
  });

  it('with a verdict: why, and the button that restarts', async () => {
    const { user, restartKernel } = await open({
      prepare: withVerdict
    });
    expect(screen.getByText('numpy can not be exchanged')).toBeDefined();
    await user.click(screen.getByRole('button', { name: 'Restart the kernel' }));
    expect(restartKernel).toHaveBeenCalledWith('kernel-1');
  });

  it('announces what happens', async () => {
    const { model } = await open();
    act(() => model.changes.add(pendingChange('install', 'rich')));
    expect(document.querySelector('[aria-live="polite"]')?.textContent).toBe(
      'rich: added to the changes'
    );
    act(() => model.announcer.say('stop', true));
    expect(document.querySelector('[aria-live="assertive"]')?.textContent).toBe('stop');
  });

  it('a pasted command is shown as understood, and Enter runs it', async () => {
    const { user, server, model } = await open();
    act(() => model.setTab('search'));
    await user.click(screen.getByRole('textbox', { name: /Search/ }));
    await user.paste('!pip install "pandas>=2" rich');
    expect(screen.getByText('%pkg install "pandas>=2" rich')).toBeDefined();
    await user.keyboard('{Enter}');
    await waitFor(() =>
      expect(server.bodies).toContainEqual({ command: 'install "pandas>=2" rich' })
    );
  });

  it('without a way to restart the kernel: what to do', async () => {
    await open({ prepare: withVerdict, canRestart: false });
    expect(screen.queryByRole('button', { name: 'Restart the kernel' })).toBeNull();
    expect(screen.getByText(/menu Kernel → Restart/)).toBeDefined();
  });

  it('a problem is mended by its command', async () => {
    const { user, server, model } = await open();
    act(() => model.setTab('problems'));
    await user.click(screen.getByRole('button', { name: /^Mend/ }));
    await waitFor(() =>
      expect(server.bodies).toContainEqual({ command: 'install --conda --force certifi' })
    );
  });
});

describe('the keyboard', () => {
  const apply = async (user: UserEvent, server: MemoryServer, name: string) => {
    server.onJob = job => {
      const { packages } = server.world;
      const before = packages[analysis.id] ?? expect.fail('no packages');
      packages[analysis.id] = {
        ...before,
        fingerprint: `without ${name}`,
        packages: before.packages.filter(row => row.name !== name)
      };
      server.end(job.id, 'succeeded', { result: null });
    };
    await user.keyboard('{Control>}{Enter}{/Control}');
  };

  it('is not lost with a button that is off for a while', async () => {
    const onClick = vi.fn();
    const { rerender } = render(<Button onClick={onClick}>Apply</Button>);
    const button = screen.getByRole('button', { name: 'Apply' });
    button.focus();
    rerender(
      <Button disabled onClick={onClick}>
        Apply
      </Button>
    );
    expect(button.getAttribute('aria-disabled')).toBe('true');
    expect(document.activeElement).toBe(button);
    await userEvent.keyboard('{Enter}');
    expect(onClick).not.toHaveBeenCalled();
  });

  it('stays in the list when its row is removed', async () => {
    const { user, server } = await open();
    act(() => rowOf('anyio').focus());
    await user.keyboard('{Delete}');
    server.planner = () => ({ ...plan, review: { needed: false, reasons: [] } });
    await apply(user, server, 'anyio');
    await waitFor(() => expect(within(grid()).queryByText('anyio')).toBeNull());
    await waitFor(() => expect(document.activeElement?.getAttribute('role')).toBe('row'));
  });

  it('stays in the view when what it was on is gone', async () => {
    const { user, model } = await open();
    act(() => {
      model.changes.add(pendingChange('remove', 'six', { installed: '1' }));
      model.setTab('changes');
    });
    act(() => screen.getByRole('button', { name: 'Take six out of the changes' }).focus());
    await user.keyboard('{Enter}');
    await waitFor(() => expect(document.activeElement).toBe(screen.getByRole('tabpanel')));
  });

  it('goes on beyond a package that is listed twice', async () => {
    const { user } = await open({
      prepare: server => {
        const packages = server.world.packages[analysis.id] ?? expect.fail('no packages');
        const [first] = packages.packages;
        packages.packages = [...(first ? [first] : []), ...packages.packages];
      }
    });
    act(() => within(grid()).getAllByRole('row')[1]?.focus());
    await user.keyboard('{ArrowDown}{ArrowDown}');
    expect(document.activeElement?.getAttribute('data-index')).toBe('2');
  });
});

describe('a removal that others stand in the way of', () => {
  const needed = planOf({
    command: 'remove numpy',
    steps: [
      {
        engine: 'uv',
        engine_version: '0.13',
        ecosystem: 'pypi',
        reason: '',
        changes: [change('remove', one('numpy', '2.1.3'), null, true)]
      }
    ],
    blockers: ['scipy', 'pandas'].map(name => ({
      reference: 'breaks-dependency',
      message: `${name} needs numpy`,
      hint: `remove ${name} as well, or --force`,
      packages: [name]
    }))
  });

  it('can be made with them', async () => {
    const { user, server, model } = await open();
    server.planner = () => needed;
    act(() => void model.changes.request({ command: 'remove numpy' }, 'numpy'));
    const button = await screen.findByRole('button', { name: 'Remove all 3' });
    expect(button.title).toBe('Remove numpy, scipy, pandas');
    await user.click(button);
    await waitFor(() =>
      expect(server.bodies).toContainEqual({ verb: 'remove', specs: ['numpy', 'scipy', 'pandas'] })
    );
  });

  it('is collected with them when it was collected', async () => {
    const { user, server, model } = await open();
    server.planner = () => needed;
    act(() => model.packages.setFilter('numpy'));
    act(() => rowOf('numpy').focus());
    await user.keyboard('{Delete}{Control>}{Enter}{/Control}');
    await user.click(await screen.findByRole('button', { name: 'Remove all 3' }));
    expect(model.changes.state.cart.map(({ name }) => name)).toEqual(['numpy', 'scipy', 'pandas']);
  });

  it('takes along what else was collected, and nothing that was not', async () => {
    const { user, server, model } = await open();
    const rich = change('install', null, one('rich', '14.0.0', 'pypi'), true);
    const [step] = needed.steps;
    const steps = step ? [{ ...step, changes: [...step.changes, rich] }] : [];
    server.planner = () => ({ ...needed, steps });
    act(() => void model.changes.request({ command: 'remove numpy' }, 'numpy')); // no cart to keep it
    const back = await screen.findByRole('button', { name: 'Back' });
    expect(screen.queryByRole('button', { name: /^Remove \d/ })).toBeNull();
    await user.click(back);
    act(() => model.changes.add(pendingChange('remove', 'numpy')));
    act(() => model.changes.add(pendingChange('install', 'rich')));
    act(() => void model.changes.applyCart());
    await user.click(await screen.findByRole('button', { name: 'Remove 2 more' }));
    expect(model.changes.state.cart.map(({ name }) => name)).toEqual([
      ...['numpy', 'rich', 'scipy', 'pandas']
    ]);
  });

  it('can’t where the kernel itself needs one of them', async () => {
    const { server, model } = await open();
    server.planner = () => ({ ...needed, blockers: [...needed.blockers, ...blocked.blockers] });
    act(() => void model.changes.request({ command: 'remove numpy' }, 'numpy'));
    expect(await screen.findByRole('button', { name: 'Back' })).toBeDefined();
    expect(screen.queryByRole('button', { name: /^Remove/ })).toBeNull();
  });
});

it('a plan waits for a look while nobody sees the panel', async () => {
  const { server, model } = await open();
  server.planner = () => plan;
  act(() => model.setVisible(false));
  act(() => void model.changes.request({ command: 'install polars' }, 'polars'));
  await waitFor(() => expect(model.changes.state.phase).toBe('review'));
  expect(screen.queryByRole('dialog')).toBeNull();
  act(() => model.setVisible(true));
  expect(screen.getByRole('dialog')).toBeDefined();
});
