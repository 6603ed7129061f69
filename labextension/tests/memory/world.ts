/** Documents as the server sends them for an environment that somebody might work in. */
import type { IEnvironment, IEntry, IKernel, IPackageRow } from '../../src/panel/documents';
import { change, conda, one, pypi } from './plans';
import type { IWorld } from './server';

function row(name: string, version: string, patch: Partial<IPackageRow> = {}): IPackageRow {
  return {
    name,
    version,
    ecosystem: 'conda',
    build: 'py312_0',
    origin: conda(),
    source: 'conda-forge',
    requested: false,
    states: [],
    summary: '',
    size: 480_000,
    ...patch
  };
}

const fromPyPI = { ecosystem: 'pypi' as const, build: '', origin: pypi, source: 'PyPI' };

export const analysis: IEnvironment = {
  id: 'env-analysis',
  name: 'analysis',
  kind: 'conda',
  owner: 'micromamba',
  prefix: '/home/ada/micromamba/envs/analysis',
  language: 'python',
  python: {
    version: '3.12.11',
    executable: '/home/ada/micromamba/envs/analysis/bin/python',
    implementation: 'cpython'
  },
  policies: [],
  evidence: [
    { source: 'the running kernel', detail: 'sys.prefix is /home/ada/micromamba/envs/analysis' },
    { source: 'kernelspec', detail: 'metadata.conda_env_path says the same' }
  ],
  kernels: ['kernel-1'],
  kernelspecs: ['analysis'],
  settings: [
    ['channels', 'conda-forge (from ~/.condarc)'],
    ['index-url', 'https://pypi.example/simple (default)']
  ]
};

export const teaching: IEnvironment = {
  ...analysis,
  id: 'env-teaching',
  name: '.venv',
  kind: 'venv',
  owner: 'uv',
  prefix: '/home/ada/courses/2026/an-introduction-to-numerical-methods/.venv',
  kernels: ['kernel-2'],
  kernelspecs: [],
  policies: [],
  evidence: [{ source: 'the running kernel', detail: 'sys.prefix' }]
};

export const server: IEnvironment = {
  ...analysis,
  id: 'env-server',
  name: 'base',
  owner: 'conda',
  prefix: '/opt/conda',
  kernels: [],
  kernelspecs: ['python3'],
  policies: [
    { kind: 'base', message: 'this is the base environment of conda' },
    { kind: 'server', message: 'the Jupyter server runs in this environment' }
  ]
};

export const rEnvironment: IEnvironment = {
  ...analysis,
  id: 'env-r',
  name: 'r-statistics',
  language: 'R',
  python: null,
  prefix: '/home/ada/micromamba/envs/r-statistics',
  kernels: [],
  kernelspecs: ['ir']
};

function kernel(id: string, environment: string | null, patch: Partial<IKernel> = {}): IKernel {
  return {
    id,
    name: 'python3',
    display_name: 'Python 3 (ipykernel)',
    language: 'python',
    environment,
    remote: false,
    attached: 'attached',
    why: '',
    mismatch: null,
    verdict: null,
    ...patch
  };
}

export const hostile = '<script>alert("pwned")</script><img src=x onerror=alert(1)>';

const rows: IPackageRow[] = [
  row('numpy', '2.1.3', {
    requested: true,
    size: 8_400_000,
    summary: 'The fundamental package for scientific computing with Python'
  }),
  row('pandas', '2.2.3', {
    requested: true,
    size: 15_100_000,
    summary: 'Powerful data structures for data analysis, time series, and statistics'
  }),
  row('python', '3.12.11', {
    requested: true,
    build: 'h9e4cc4f_0_cpython',
    size: 31_500_000,
    summary: 'General purpose programming language'
  }),
  row('ipykernel', '7.1.0', {
    requested: true,
    size: 120_000,
    summary: 'IPython Kernel for Jupyter'
  }),
  row('matplotlib-base', '3.10.1', {
    size: 8_000_000,
    summary: 'Publication quality figures in Python'
  }),
  row('python-dateutil', '2.9.0.post0', { summary: 'Extensions to the standard datetime module' }),
  row('pytz', '2025.2', { summary: 'World timezone definitions, modern and historical' }),
  row('openssl', '3.5.2', {
    size: 3_100_000,
    summary: 'OpenSSL is an open-source implementation of the SSL and TLS protocols'
  }),
  row('tk', '8.6.13', {
    size: 3_300_000,
    summary: 'A dynamic programming language with GUI support. Bundles Tcl and Tk.'
  }),
  row('six', '1.17.0', { summary: 'Python 2 and 3 compatibility utilities' }),
  row('polars', '1.30.0', {
    ...fromPyPI,
    requested: true,
    size: 36_000_000,
    summary: 'Blazingly fast DataFrame library'
  }),
  row('httpx', '0.28.1', {
    ...fromPyPI,
    requested: true,
    summary: 'The next generation HTTP client.'
  }),
  row('certifi', '2025.1.31', {
    ...fromPyPI,
    states: ['pip-clobbered'],
    summary: "Python package for providing Mozilla's CA Bundle."
  }),
  row('lab-notes', '0.3.dev0', {
    ...fromPyPI,
    requested: true,
    origin: { kind: 'editable', location: '/home/ada/lab-notes' },
    source: '/home/ada/lab-notes',
    size: null,
    summary: 'Our own helpers'
  }),
  row('spectral', '0.9.1', {
    ...fromPyPI,
    requested: true,
    origin: { kind: 'vcs', location: 'git+https://github.com/example/spectral@9f31c2' },
    source: 'git+https://github.com/example/spectral@9f31c2',
    summary: hostile
  }),
  row('azure-mgmt-recoveryservicesbackup-passivestamp-crossregion', '9.0.0b2', {
    ...fromPyPI,
    summary: 'A package whose name is longer than most panels are wide'
  }),
  ...[
    'anyio',
    'asttokens',
    'comm',
    'contourpy',
    'cycler',
    'debugpy',
    'decorator',
    'executing',
    'fonttools',
    'freetype',
    'h11',
    'idna',
    'ipython',
    'jedi',
    'jupyter_client',
    'jupyter_core',
    'kiwisolver',
    'libblas',
    'libcblas',
    'libgfortran',
    'liblapack',
    'libopenblas',
    'libpng',
    'libsodium',
    'matplotlib-inline',
    'nest-asyncio',
    'packaging',
    'parso',
    'pexpect',
    'pillow',
    'platformdirs',
    'prompt-toolkit',
    'psutil',
    'ptyprocess',
    'pure_eval',
    'pygments',
    'pyparsing',
    'pyzmq',
    'qhull',
    'readline',
    'setuptools',
    'sniffio',
    'stack_data',
    'tornado',
    'traitlets',
    'typing_extensions',
    'wcwidth',
    'zeromq',
    'zstd'
  ].map((name, index) =>
    row(name, `${1 + (index % 7)}.${index % 11}.${index % 4}`, {
      summary: `Part of the ${name} project`
    })
  )
];

export const entries: IEntry[] = [
  {
    id: 't-5',
    started: '2026-11-21T17:00:00+00:00',
    seconds: 0.1,
    user: 'ada',
    host: 'lab',
    face: 'panel',
    command: '%pkg undo t-4',
    changes: [change('remove', one('tabulate', '0.10.0', 'pypi'), null, true)],
    result: 'committed',
    message: '',
    undoes: ['t-4'],
    has_snapshot: true,
    verdict: null
  },
  {
    id: 't-4',
    started: '2026-11-21T16:50:00+00:00',
    seconds: 0.6,
    user: 'ada',
    host: 'lab',
    face: 'panel',
    command: '%pkg install tabulate',
    changes: [change('install', null, one('tabulate', '0.10.0', 'pypi'), true)],
    result: 'committed',
    message: '',
    undoes: [],
    has_snapshot: true,
    verdict: null
  },
  {
    id: 't-3',
    started: '2026-11-21T16:20:00+00:00',
    seconds: 3.4,
    user: 'ada',
    host: 'lab',
    face: 'panel',
    command: '%pkg install polars httpx',
    changes: [
      change('install', null, one('polars', '1.30.0', 'pypi'), true),
      change('install', null, one('httpx', '0.28.1', 'pypi'), true),
      change('install', null, one('h11', '0.16.0', 'pypi')),
      change('install', null, one('anyio', '4.9.0', 'pypi')),
      change('install', null, one('sniffio', '1.3.1', 'pypi'))
    ],
    result: 'committed',
    message: '',
    undoes: [],
    has_snapshot: true,
    verdict: null
  },
  {
    id: 't-2',
    started: '2026-11-20T09:12:00+00:00',
    seconds: 41,
    user: 'grace',
    host: 'lab',
    face: 'kernel',
    command: '%pkg install "tensorflow<2"',
    changes: [],
    result: 'rolled-back',
    message: 'the build of tensorflow 1.15 failed; everything is as it was',
    undoes: [],
    has_snapshot: false,
    verdict: null
  },
  {
    id: 't-1',
    started: '2026-11-18T11:00:00+00:00',
    seconds: 92.3,
    user: 'ada',
    host: 'lab',
    face: 'cli',
    command: 'jupyter pkg update numpy',
    changes: [change('upgrade', one('numpy', '2.0.2'), one('numpy', '2.1.3'), true)],
    result: 'committed',
    message: '',
    undoes: [],
    has_snapshot: true,
    verdict: null
  }
];

export function makeWorld(): IWorld {
  return {
    kernels: {
      'kernel-1': kernel('kernel-1', analysis.id),
      'kernel-2': kernel('kernel-2', teaching.id, { display_name: 'Numerical methods' }),
      'kernel-remote': kernel('kernel-remote', null, {
        remote: true,
        attached: 'remote',
        why: 'this kernel runs on another machine: use %pkg in a cell'
      })
    },
    environments: {
      [analysis.id]: analysis,
      [teaching.id]: teaching,
      [server.id]: server,
      [rEnvironment.id]: rEnvironment
    },
    packages: {
      [analysis.id]: {
        fingerprint: 'f1',
        packages: rows,
        problems: [
          {
            reference: 'pip-clobbered',
            message: 'pip replaced files of the conda package certifi',
            packages: ['certifi'],
            path: null,
            hint: '%pkg install --conda --force certifi',
            command: 'install --conda --force certifi'
          }
        ],
        notes: []
      },
      [teaching.id]: { fingerprint: 't1', packages: rows.slice(0, 12), problems: [], notes: [] },
      [server.id]: { fingerprint: 's1', packages: rows.slice(2, 8), problems: [], notes: [] },
      [rEnvironment.id]: { fingerprint: 'r1', packages: [], problems: [], notes: [] }
    },
    outdated: {
      numpy: { ecosystem: 'conda', installed: '2.1.3', newest: '2.3.1' },
      polars: { ecosystem: 'pypi', installed: '1.30.0', newest: '1.35.2' },
      openssl: { ecosystem: 'conda', installed: '3.5.2', newest: '3.6.0' }
    },
    names: {
      conda: [
        'scikit-learn',
        'scikit-image',
        'scipy',
        'numpy',
        'pandas',
        'python-scikit',
        'scikit-learn-intelex',
        'scikit-rf'
      ],
      pypi: [
        'scikit-learn',
        'scikit-build',
        'scikit-build-core',
        'numpy',
        'pandas',
        'rich',
        'auto-scikit',
        'scikit_posthocs'
      ],
      notes: []
    },
    hits: [
      {
        name: 'scikit-learn',
        version: '1.7.0',
        ecosystem: 'conda',
        origin: 'conda-forge',
        summary: 'A set of python modules for machine learning and data mining',
        installed: ''
      },
      {
        name: 'scikit-image',
        version: '0.25.2',
        ecosystem: 'conda',
        origin: 'conda-forge',
        summary: 'Image processing routines for SciPy',
        installed: ''
      },
      {
        name: 'numpy',
        version: '2.3.1',
        ecosystem: 'conda',
        origin: 'conda-forge',
        summary: 'The fundamental package for scientific computing with Python',
        installed: '2.1.3'
      }
    ],
    details: {
      numpy: {
        name: 'numpy',
        installed: rows.slice(0, 1),
        source: 'conda-forge',
        versions: ['2.3.1', '2.3.0', '2.2.6', '2.1.3', '2.0.2', '1.26.4'],
        summary: 'The fundamental package for scientific computing with Python',
        license: 'BSD-3-Clause',
        home: 'https://numpy.org/',
        imports: ['numpy'],
        depends: [
          'libblas >=3.9.0,<4.0a0',
          'libcblas >=3.9.0,<4.0a0',
          'liblapack >=3.9.0,<4.0a0',
          'libgcc >=13',
          'python >=3.12,<3.13.0a0',
          'python_abi 3.12.* *_cp312'
        ],
        needed_by: ['contourpy', 'matplotlib-base', 'pandas', 'spectral'],
        files: 1432,
        size: 8_400_000,
        notes: []
      },
      'scikit-learn': {
        name: 'scikit-learn',
        installed: [],
        source: 'conda-forge',
        versions: ['1.7.0', '1.6.1', '1.5.2'],
        summary: 'A set of python modules for machine learning and data mining',
        license: 'BSD-3-Clause',
        home: 'https://scikit-learn.org',
        imports: ['sklearn'],
        depends: ['joblib >=1.2.0', 'numpy >=1.22.0', 'scipy >=1.8.0', 'threadpoolctl >=3.1.0'],
        needed_by: [],
        files: 0,
        size: 10_600_000,
        notes: []
      },
      spectral: {
        name: 'spectral',
        installed: rows.filter(({ name }) => name === 'spectral'),
        source: 'git+https://github.com/example/spectral@9f31c2',
        versions: [],
        summary: hostile,
        license: '<b>MIT</b>',
        home: 'javascript:alert(1)',
        imports: ['spectral'],
        depends: ['numpy'],
        needed_by: [],
        files: 12,
        size: 90_000,
        notes: []
      }
    },
    versions: {
      numpy: {
        name: 'numpy',
        ecosystem: 'conda',
        source: 'conda-forge',
        versions: ['2.3.1', '2.3.0', '2.2.6', '2.1.3', '2.0.2', '1.26.4'].map(version => ({
          version,
          origins: ['conda-forge'],
          yanked: false
        }))
      },
      'scikit-learn': {
        name: 'scikit-learn',
        ecosystem: 'conda',
        source: 'conda-forge',
        versions: ['1.7.0', '1.6.1', '1.5.2'].map(version => ({
          version,
          origins: ['conda-forge'],
          yanked: false
        }))
      }
    },
    history: entries
  };
}

/** An environment with so many packages. */
export function manyRows(count: number): IPackageRow[] {
  return Array.from({ length: count }, (_, index) =>
    row(`package-${String(index).padStart(5, '0')}`, `${index % 9}.${index % 30}.${index % 4}`, {
      summary: `What package number ${index} is good for`,
      ...(index % 3 === 0 ? fromPyPI : {})
    })
  );
}
