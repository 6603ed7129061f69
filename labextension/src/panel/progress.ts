import type { IEvent, IVerdict, JobEvent, JobState, Phase } from './documents';

/** Where one package is. */
export interface IPackageProgress {
  name: string;
  phase: Phase | null;
  /** `started`, `finished`, or what the engine says. */
  state: string;
  done: number | null;
  total: number | null;
}

/** What the events of a job say so far. */
export interface IProgress {
  state: JobState | null;
  /** The step that runs, counted from 0; `null` before the first. */
  step: number | null;
  phase: Phase | null;
  /** In the order in which they were first heard of. */
  packages: ReadonlyMap<string, IPackageProgress>;
  /** Who holds what the job waits for; empty when it doesn't. */
  waiting: string;
  warnings: readonly string[];
  log: readonly string[];
  /** The newest text of each display that a `%pkg` in a cell shows and updates. */
  displays: ReadonlyMap<string, string>;
  /** How many lines and events are missing at the log's beginning. */
  dropped: number;
}

/** Lines that are kept; a build can say a great many. */
const LOG = 2000;

export const nothingYet: IProgress = {
  state: null,
  step: null,
  phase: null,
  packages: new Map(),
  waiting: '',
  warnings: [],
  log: [],
  displays: new Map(),
  dropped: 0
};

/** What is known after these events too. */
export function advance(before: IProgress, events: readonly JobEvent[]): IProgress {
  if (!events.length) {
    return before;
  }
  const packages = new Map(before.packages);
  const lines: string[] = [];
  let next = before;
  for (const event of events) {
    if (event.type === 'event') {
      next = one(next, event.event, packages);
      const line = asLine(event.event);
      if (line) {
        lines.push(line);
      }
    } else if (event.type === 'state') {
      next = { ...next, state: event.state, waiting: '' };
    } else if (event.type === 'display') {
      next = { ...next, displays: shown(next.displays, event.key, event.data) };
    } else if (event.type === 'error') {
      lines.push(event.error.message);
    }
  }
  const log = lines.length ? [...before.log, ...lines] : before.log;
  const over = Math.max(0, log.length - LOG);
  return { ...next, packages, log: over ? log.slice(over) : log, dropped: before.dropped + over };
}

function one(before: IProgress, event: IEvent, packages: Map<string, IPackageProgress>): IProgress {
  switch (event.kind) {
    case 'step':
      return event.state === 'started'
        ? { ...before, step: event.step, phase: null, waiting: '' }
        : { ...before, waiting: '' };
    case 'phase':
      return { ...before, step: event.step ?? before.step, phase: event.phase, waiting: '' };
    case 'package':
      packages.set(event.package, {
        name: event.package,
        phase: event.phase,
        state: event.state,
        done: event.done,
        total: event.total
      });
      return { ...before, waiting: '' };
    case 'waiting':
      return { ...before, waiting: event.message };
    case 'message':
      return event.level === 'warning'
        ? { ...before, warnings: [...before.warnings, event.message] }
        : before;
    case 'output':
      return before;
  }
}

function asLine(event: IEvent): string {
  return event.kind === 'package' && event.state !== 'finished'
    ? ''
    : [event.phase ?? '', event.package, event.message].filter(Boolean).join(' ');
}

function shown(
  before: ReadonlyMap<string, string>,
  key: string,
  data: Record<string, unknown>
): ReadonlyMap<string, string> {
  const text = data['text/plain'];
  return typeof text === 'string' ? new Map(before).set(key, text) : before;
}

/** Share of the download that is done, from 0 to 1; `null` where no tool tells. */
export function downloaded(progress: IProgress): number | null {
  let done = 0;
  let total = 0;
  for (const one of progress.packages.values()) {
    if (one.total) {
      total += one.total;
      done += one.phase === 'download' && one.state !== 'finished' ? (one.done ?? 0) : one.total;
    }
  }
  return total ? Math.min(1, done / total) : null;
}

const LEVELS = ['none', 'recommended', 'required'] as const;

/** Two verdicts about one kernel: the more severe level, for all the reasons. */
export function together(a: IVerdict | null, b: IVerdict | null): IVerdict | null {
  if (!a || !b) {
    return a ?? b;
  }
  const worse = LEVELS.indexOf(b.level) >= LEVELS.indexOf(a.level) ? b : a;
  return { ...worse, modules: [...new Set([...a.modules, ...b.modules])].sort() };
}
