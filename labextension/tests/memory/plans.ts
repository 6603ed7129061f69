/** Changes and plans as the server makes them. */
import type { IChange, IPackage, IPlan } from '../../src/panel/documents';
import { planOf } from './server';

export const conda = (location = 'conda-forge') => ({ kind: 'channel' as const, location });
export const pypi = { kind: 'index' as const, location: 'https://pypi.example/simple' };

export function one(
  name: string,
  version: string,
  ecosystem: 'conda' | 'pypi' = 'conda'
): IPackage {
  return ecosystem === 'conda'
    ? { name, version, ecosystem, build: 'py312_0', origin: conda(), source: 'conda-forge' }
    : { name, version, ecosystem, build: '', origin: pypi, source: 'PyPI' };
}

export function change(
  action: IChange['action'],
  before: IPackage | null,
  after: IPackage | null,
  requested = false,
  reason = requested ? 'requested' : 'needed by scikit-learn'
): IChange {
  return { action, before, after, requested, reason };
}

/** More happens than was asked for: a downgrade comes along. */
export const plan: IPlan = planOf({
  command: 'install scikit-learn polars',
  download_size: 47_300_000,
  steps: [
    {
      engine: 'rattler',
      engine_version: '0.28.0',
      ecosystem: 'conda',
      reason: 'conda-forge has scikit-learn',
      changes: [
        change(
          'install',
          null,
          one('scikit-learn', '1.7.0'),
          true,
          'requested; conda-forge has it'
        ),
        change('install', null, one('joblib', '1.5.1')),
        change('install', null, one('threadpoolctl', '3.6.0')),
        change('install', null, one('scipy', '1.15.2')),
        change(
          'downgrade',
          one('numpy', '2.1.3'),
          one('numpy', '2.0.2'),
          false,
          'scipy 1.15.2 needs numpy <2.1'
        ),
        change('remove', one('six', '1.17.0'), null, false, 'nothing needs it any more')
      ]
    },
    {
      engine: 'uv',
      engine_version: '0.13.5',
      ecosystem: 'pypi',
      reason: 'no configured channel has polars-u64-idx',
      changes: [
        change(
          'install',
          null,
          one('polars-u64-idx', '1.30.0', 'pypi'),
          true,
          'requested; only PyPI has it'
        )
      ]
    }
  ],
  warnings: [
    {
      reference: 'loaded',
      message: 'numpy is loaded in this kernel: it will have to restart',
      hint: null,
      packages: ['numpy']
    }
  ],
  review: {
    needed: true,
    reasons: [
      'numpy is downgraded, which nobody asked for',
      'six is removed, which nobody asked for'
    ]
  }
});

export const blocked: IPlan = planOf({
  command: 'remove ipykernel',
  steps: [
    {
      engine: 'rattler',
      engine_version: '0.28.0',
      ecosystem: 'conda',
      reason: '',
      changes: [change('remove', one('ipykernel', '7.1.0'), null, true)]
    }
  ],
  blockers: [
    {
      reference: 'kernel-stack',
      message: 'the running kernel needs ipykernel',
      hint: 'choose another kernel for this notebook first',
      packages: ['ipykernel']
    }
  ],
  review: { needed: true, reasons: [] }
});
