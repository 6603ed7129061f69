import { describe, expect, it } from 'vitest';

import type { Cart, IPending } from '../../src/panel/cart';
import { find, put, request, take } from '../../src/panel/cart';
import { understand } from '../../src/panel/command-text';
import type { IEvent, JobEvent } from '../../src/panel/documents';
import { bytes, moment, safeLink, seconds, shortUrl, versions } from '../../src/panel/format';
import { NamesIndex, normalize } from '../../src/panel/names';
import { advance, downloaded, nothingYet, together } from '../../src/panel/progress';
import { asLists } from '../../src/panel/steps';
import { english } from '../../src/panel/translation';
import { change, one } from '../memory/plans';

describe('names', () => {
  const index = new NamesIndex({
    conda: ['scikit-learn', 'scikit-learn-intelex', 'numpy', 'ruamel.yaml'],
    pypi: ['scikit_learn', 'auto-scikit', 'myscikit', 'scikit-build', 'numpy', 'ruamel.yaml.clib']
  });
  const found = (text: string, limit = 10) => index.find(text, limit).found.map(({ name }) => name);

  it('come the name itself first, then beginnings, words, anything; shorter before longer', () => {
    expect(found('scikit')).toEqual([
      'scikit-build',
      'scikit-learn',
      'scikit-learn-intelex',
      'auto-scikit',
      'myscikit'
    ]);
    expect(found('numpy')[0]).toBe('numpy');
  });

  it('are the same whatever stands between their words', () => {
    expect(found('Scikit_Learn')[0]).toBe('scikit-learn');
    expect(found('ruamel-yaml')[0]).toBe('ruamel.yaml');
    expect(normalize('A__b.-c')).toBe('a-b-c');
  });

  it('know both ecosystems of one name', () => {
    expect(index.find('scikit-learn', 1).found[0]?.ecosystems).toEqual(['conda', 'pypi']);
    expect(index.size).toBe(8);
  });

  it('find the same letter by letter as at once, and after going back', () => {
    for (const text of ['s', 'sc', 'sci', 'scik', 'sci', 'x', 'numpy', '']) {
      const fresh = new NamesIndex({ conda: ['scikit-learn', 'numpy'], pypi: ['scipy', 'rich'] });
      const grown = new NamesIndex({ conda: ['scikit-learn', 'numpy'], pypi: ['scipy', 'rich'] });
      grown.find('s', 10);
      expect(grown.find(text, 10)).toEqual(fresh.find(text, 10));
    }
  });

  it('are counted even where not all are shown', () => {
    expect(index.find('scikit', 2)).toMatchObject({ count: 5 });
    expect(found('scikit', 2)).toHaveLength(2);
  });
});

describe('a text in the search box', () => {
  const commands: [string, string][] = [
    ['pip install pandas', 'install pandas'],
    ['  !pip install -U "pandas>=2"', 'install -U "pandas>=2"'],
    ['%pip install rich', 'install rich'],
    ['%pkg remove six', 'remove six'],
    ['%conda install -c conda-forge numpy', 'install -c conda-forge numpy'],
    ['python -m pip install rich', 'install rich'],
    ['/usr/bin/python3.12 -m pip install rich', 'install rich'],
    ['{sys.executable} -m pip install rich', 'install rich'],
    ['!{sys.executable} -m pip install rich', 'install rich'],
    ['$ uv pip install rich', 'install rich'],
    ['uv add httpx', 'add httpx'],
    ['pip3.12 uninstall rich', 'uninstall rich'],
    ['jupyter pkg update numpy', 'update numpy'],
    ['sudo pip install rich', 'install rich'],
    ['pip install \\\n  rich \\\n  httpx', 'install    rich    httpx'],
    ['pip install rich\npip install httpx  # too', 'install rich httpx'],
    ['pandas>=2 rich', 'install pandas>=2 rich'],
    ['pandas == 2.2', 'install pandas == 2.2'],
    ['pandas[excel]', 'install pandas[excel]'],
    ['conda-forge::pandas', 'install conda-forge::pandas'],
    ['git+https://github.com/example/thing', 'install git+https://github.com/example/thing'],
    [
      'https://example.org/x-1.0-py3-none-any.whl',
      'install https://example.org/x-1.0-py3-none-any.whl'
    ],
    ['-r requirements.txt\nrich', 'install -r requirements.txt rich'],
    ["--pre\nfoo; python_version < '3.9'", `install --pre 'foo; python_version < '"'"'3.9'"'"''`]
  ];
  it.each(commands)('%j is a command', (text, command) => {
    expect(understand(text)).toMatchObject({ kind: 'request', request: { command } });
  });

  it('of commands of several kinds is one plan', () => {
    const text =
      'pip uninstall opencv-python\npip install opencv-python-headless\npip install rich';
    expect(understand(text)).toMatchObject({
      request: {
        requests: [
          { command: 'uninstall opencv-python' },
          { command: 'install opencv-python-headless rich' }
        ]
      }
    });
  });

  it('of several lines is a list of requirements, without its comments', () => {
    const text = "# for the course\npandas>=2\n\nrich  # nice\nfoo; python_version < '3.9'\n";
    expect(understand(text)).toMatchObject({
      request: { verb: 'install', specs: ['pandas>=2', 'rich', "foo; python_version < '3.9'"] }
    });
  });

  it.each([
    'pandas',
    'machine learning',
    'pip',
    'pip-tools',
    'install',
    'conda build',
    'python',
    'what is numpy?',
    'a/b',
    '-x'
  ])('%j is a search', query => {
    expect(understand(query)).toEqual({ kind: 'query', query });
  });

  it.each(['', '  \n ', '# only a comment'])('%j is nothing', text => {
    expect(understand(text)).toEqual({ kind: 'nothing' });
  });
});

describe('collected changes', () => {
  const pending = (
    action: IPending['action'],
    name: string,
    patch: Partial<IPending> = {}
  ): IPending => ({
    action,
    name,
    ecosystem: null,
    version: null,
    installed: '',
    ...patch
  });

  it('have one change for a package, the latest said, in its place', () => {
    let cart: Cart = [];
    cart = put(cart, pending('install', 'Foo_Bar'));
    cart = put(cart, pending('install', 'rich'));
    cart = put(cart, pending('remove', 'foo-bar'));
    expect(cart.map(({ action, name }) => [action, name])).toEqual([
      ['remove', 'foo-bar'],
      ['install', 'rich']
    ]);
    expect(find(cart, 'foo.bar')?.action).toBe('remove');
    expect(take(cart, 'FOO-BAR')).toHaveLength(1);
  });

  it('are one request where one verb says it', () => {
    const cart = [
      pending('install', 'rich', { version: '14.0' }),
      pending('install', 'numpy', { ecosystem: 'conda' })
    ];
    expect(request(cart)).toEqual({ verb: 'install', specs: ['rich==14.0', 'conda::numpy'] });
    expect(request([pending('update', 'rich', { version: '14.0' })])).toEqual({
      verb: 'update',
      specs: ['rich']
    });
  });

  it('are one plan whatever their verbs are, removals first', () => {
    const cart = [
      pending('install', 'rich'),
      pending('update', 'numpy', { version: '2.3.1' }),
      pending('remove', 'six')
    ];
    expect(request(cart)).toEqual({
      requests: [
        { verb: 'remove', specs: ['six'] },
        { verb: 'install', specs: ['rich'] },
        { verb: 'update', specs: ['numpy'] }
      ]
    });
  });
});

describe('steps', () => {
  it('of one engine are one list', () => {
    const uv = { ecosystem: 'pypi', engine: 'uv', reason: '' };
    const conda = { ecosystem: 'conda', engine: 'rattler', reason: '' };
    expect(
      asLists([
        { ...uv, changes: ['- a'] },
        { ...conda, changes: ['+ b'] },
        { ...uv, changes: ['+ c'] }
      ])
    ).toEqual([
      { ...uv, changes: ['- a', '+ c'] },
      { ...conda, changes: ['+ b'] }
    ]);
  });
});

describe('progress', () => {
  const event = (number: number, patch: Partial<IEvent>): JobEvent => ({
    number,
    time: '',
    type: 'event',
    event: {
      kind: 'phase',
      step: null,
      phase: null,
      state: '',
      package: '',
      done: null,
      total: null,
      level: '',
      message: '',
      ...patch
    }
  });

  it('knows step, phase, packages and their share', () => {
    const progress = advance(nothingYet, [
      event(1, { kind: 'step', step: 1, state: 'started' }),
      event(2, { phase: 'download' }),
      event(3, { kind: 'package', package: 'a', phase: 'download', done: 10, total: 40 }),
      event(4, {
        kind: 'package',
        package: 'b',
        phase: 'download',
        done: 0,
        total: 60,
        state: 'finished'
      })
    ]);
    expect(progress).toMatchObject({ step: 1, phase: 'download' });
    expect(downloaded(progress)).toBeCloseTo(0.7);
    expect(downloaded(nothingYet)).toBeNull();
  });

  it('says what is waited for only as long as it is', () => {
    const waiting = advance(nothingYet, [
      event(1, { kind: 'waiting', message: 'grace holds the lock' })
    ]);
    expect(waiting.waiting).toBe('grace holds the lock');
    expect(advance(waiting, [event(2, { phase: 'solve' })]).waiting).toBe('');
  });

  it('keeps warnings, the newest text of each display, and so many lines', () => {
    const many = Array.from({ length: 2500 }, (_, index) =>
      event(index + 1, { kind: 'output', message: `line ${index}` })
    );
    const display = (text: string): JobEvent => ({
      number: 0,
      time: '',
      type: 'display',
      key: 'k',
      data: { 'text/plain': text }
    });
    const progress = advance(nothingYet, [
      ...many,
      event(2501, { kind: 'message', level: 'warning', message: 'slow' }),
      display('10 %'),
      display('20 %')
    ]);
    expect(progress.log).toHaveLength(2000);
    expect(progress.dropped).toBe(501);
    expect(progress.warnings).toEqual(['slow']);
    expect([...progress.displays.values()]).toEqual(['20 %']);
  });

  it('is the same object when nothing happened', () => {
    expect(advance(nothingYet, [])).toBe(nothingYet);
  });

  it('puts verdicts together: the more severe, for all reasons', () => {
    const recommended = { level: 'recommended' as const, modules: ['b'], text: 'soon' };
    const required = { level: 'required' as const, modules: ['a'], text: 'now' };
    const both = { level: 'required', modules: ['a', 'b'], text: 'now' };
    expect(together(recommended, required)).toEqual(both);
    expect(together(required, recommended)).toEqual(both);
    expect(together(null, required)).toBe(required);
    expect(together(required, null)).toBe(required);
  });
});

describe('words', () => {
  it.each([
    ['https://pypi.example/simple/', 'PyPI'],
    ['https://user:secret@mirror.example/simple', 'mirror.example'],
    ['https://mirror.example/team/simple/', 'team'],
    ['https://conda.anaconda.org/conda-forge', 'conda-forge'],
    ['conda-forge', 'conda-forge']
  ])('%s is called %s', (location, text) => {
    expect(shortUrl(location)).toBe(text);
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9_949, '9.9 kB'],
    [9_960, '10 kB'],
    [999_600, '1.0 MB'],
    [47_300_000, '47 MB'],
    [1.5e15, '1500 TB']
  ])('%d bytes are %s', (size, text) => {
    expect(bytes(size)).toBe(text);
  });

  it('say how long something took, and when it was', () => {
    expect(seconds(3.42, english)).toBe('3.4 s');
    expect(seconds(92, english)).toBe('1 min 32 s');
    expect(moment('no date')).toBe('no date');
  });

  it('show both versions of a change', () => {
    expect(versions(change('upgrade', one('a', '1'), one('a', '2')))).toBe('1 → 2');
    expect(versions(change('remove', one('a', '1'), null))).toBe('1');
    expect(
      versions(
        change('reinstall', { ...one('a', '1'), build: 'x' }, { ...one('a', '1'), build: 'y' })
      )
    ).toBe('1 x → y');
  });

  it.each([
    'javascript:alert(1)',
    'data:text/html,x',
    'file:///etc/passwd',
    'numpy.org',
    '',
    ' javascript:x'
  ])('%j is no link to follow', text => {
    expect(safeLink(text)).toBeNull();
  });

  it('are filled in by number', () => {
    expect(english.__('%2 then %1, %3', 'a', 'b')).toBe('b then a, %3');
    expect(english._n('%1 change', '%1 changes', 1)).toBe('1 change');
    expect(english._n('%1 change of %2', '%1 changes of %2', 3, 'x')).toBe('3 changes of x');
    expect(safeLink('https://numpy.org')).toBe('https://numpy.org/');
  });
});
