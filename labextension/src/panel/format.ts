import type {
  Action,
  IChange,
  IOrigin,
  IPackage,
  IPackageRow,
  JobState,
  PackageState,
  Phase
} from './documents';
import type { ITranslation } from './translation';

/** In the order in which a plan tells them. */
export const ACTIONS: readonly Action[] = [
  'install',
  'upgrade',
  'downgrade',
  'reinstall',
  'remove'
];

export const SIGNS: Readonly<Record<Action, string>> = {
  install: '+',
  remove: '−',
  upgrade: '↑',
  downgrade: '↓',
  reinstall: '↻'
};

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A size in the largest unit that leaves a number of at most three digits. */
export function bytes(size: number): string {
  let value = size;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = value < 9.95 && unit > 0 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}

export function seconds(value: number, trans: ITranslation): string {
  if (value < 60) {
    return trans.__('%1 s', value < 9.95 ? value.toFixed(1) : value.toFixed(0));
  }
  return trans.__('%1 min %2 s', Math.floor(value / 60), Math.round(value % 60));
}

/** A kernel that asked for itself; what it is called nobody knows by its id, and the face says where it was. */
const KERNEL = /^kernel [0-9a-f-]{36}$/;

/** Who did something and where, for people. */
export function byWhom({ user, face }: { user: string; face: string }): string[] {
  return [KERNEL.test(user) ? '' : user, face];
}

/** When something was, for people: today's by the time, others by date and time. */
export function moment(text: string, now = new Date()): string {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) {
    return text;
  }
  const today = date.toDateString() === now.toDateString();
  return date.toLocaleString(undefined, {
    ...(today ? {} : { dateStyle: 'medium' }),
    timeStyle: 'short'
  });
}

/** The word on a package's badge. */
export function originLabel(
  { ecosystem, origin, source }: Pick<IPackageRow, 'ecosystem' | 'origin' | 'source'>,
  trans: ITranslation
): string {
  switch (origin.kind) {
    case 'editable':
      return trans.__('editable');
    case 'vcs':
      return trans.__('VCS');
    case 'path':
      return trans.__('path');
    case 'url':
      return trans.__('URL');
    default:
      return source || (ecosystem === 'pypi' ? 'PyPI' : 'conda');
  }
}

/** Where a package of a plan comes from, in a word or two. */
export function packageSource(
  { before, after }: Pick<IChange, 'before' | 'after'>,
  trans: ITranslation
): string {
  if (after?.origin.kind === 'index' && !after.origin.location) {
    return after.source; // of several, and nobody could tell which; or what an undo brings back
  }
  const one = after ?? before;
  return one === null ? '' : originLabel({ ...one, source: shortLocation(one.origin) }, trans);
}

function shortLocation({ kind, location }: IOrigin): string {
  return kind === 'channel' || kind === 'index' ? shortUrl(location) : '';
}

/** What tells one channel or index from another. */
export function shortUrl(location: string): string {
  const url = /^[a-z]+:\/\/(?:[^/@]*@)?([^/]+)\/?(.*?)\/?$/i.exec(location);
  if (!url) {
    return location;
  }
  const [, host = '', path = ''] = url;
  if (host.startsWith('pypi.')) {
    return 'PyPI';
  }
  return path.replace(/(^|\/)simple$/, '') || host; // all indexes end in it
}

export function versions({ action, before, after }: IChange): string {
  if (before && after && before.version !== after.version) {
    return `${before.version} → ${after.version}`;
  }
  if (action === 'reinstall' && before && after && before.build !== after.build) {
    return `${after.version} ${before.build} → ${after.build}`;
  }
  return (after ?? before)?.version ?? '';
}

export function changedPackage({ before, after }: IChange): IPackage | null {
  return after ?? before;
}

export function actionLabel(action: Action, trans: ITranslation): string {
  switch (action) {
    case 'install':
      return trans.__('install');
    case 'remove':
      return trans.__('remove');
    case 'upgrade':
      return trans.__('upgrade');
    case 'downgrade':
      return trans.__('downgrade');
    case 'reinstall':
      return trans.__('reinstall');
  }
}

/** How many packages an action touches, as in a summary. */
export function actionCount(action: Action, count: number, trans: ITranslation): string {
  switch (action) {
    case 'install':
      return trans._n('%1 to install', '%1 to install', count);
    case 'remove':
      return trans._n('%1 to remove', '%1 to remove', count);
    case 'upgrade':
      return trans._n('%1 to upgrade', '%1 to upgrade', count);
    case 'downgrade':
      return trans._n('%1 to downgrade', '%1 to downgrade', count);
    case 'reinstall':
      return trans._n('%1 to reinstall', '%1 to reinstall', count);
  }
}

export function phaseLabel(phase: Phase, trans: ITranslation): string {
  switch (phase) {
    case 'solve':
      return trans.__('Finding versions that fit');
    case 'download':
      return trans.__('Downloading');
    case 'build':
      return trans.__('Building');
    case 'unlink':
      return trans.__('Removing');
    case 'link':
      return trans.__('Installing');
    case 'verify':
      return trans.__('Checking the result');
  }
}

export function stateLabel(state: JobState, trans: ITranslation): string {
  switch (state) {
    case 'queued':
      return trans.__('waiting');
    case 'running':
      return trans.__('running');
    case 'succeeded':
      return trans.__('done');
    case 'failed':
      return trans.__('failed');
    case 'cancelled':
      return trans.__('cancelled');
    case 'rolled-back':
      return trans.__('failed, taken back');
  }
}

export function packageStateLabel(state: PackageState, trans: ITranslation): string {
  switch (state) {
    case 'user-site':
      return trans.__('lies in the user site, not in this environment');
    case 'outside':
      return trans.__('lies outside of this environment');
    case 'shadowed':
      return trans.__('hidden by another copy');
    case 'duplicate':
      return trans.__('installed twice');
    case 'pip-clobbered':
      return trans.__('a conda package whose files pip replaced');
  }
}

/** A link that may be followed: http(s) only, whatever the package's author wrote. */
export function safeLink(text: string): string | null {
  try {
    const url = new URL(text);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
  } catch {
    return null;
  }
}
