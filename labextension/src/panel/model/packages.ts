import type { IError, IOutdated, IPackageRow, IPackages, IProblem } from '../documents';
import { asFault } from '../errors';
import { normalize } from '../names';
import { Store } from '../store';
import type { IContext, Loadable } from './context';
import { Latest } from './latest';

export type Show = 'all' | 'requested' | 'outdated' | 'problems';
export type SortBy = 'name' | 'version' | 'source' | 'size';

/** An installed package with what else is known of it. */
export interface IInstalled {
  /** Tells it from all others: the same package may be there twice, in two places. */
  key: string;
  row: IPackageRow;
  /** The newest version that could be installed; empty if it is, or as long as nobody knows. */
  newest: string;
  problems: readonly IProblem[];
}

export interface IPackagesState {
  environment: string | null;
  loading: Loadable;
  error: IError | null;
  fingerprint: string;
  all: readonly IInstalled[];
  /** What filter and sort leave. */
  visible: readonly IInstalled[];
  problems: readonly IProblem[];
  /** What is to be said of the list. */
  notes: readonly string[];
  outdatedLoading: Loadable;
  outdatedError: IError | null;
  counts: Readonly<Record<Show, number>>;
  filter: string;
  show: Show;
  sortBy: SortBy;
  descending: boolean;
}

/** Milliseconds after which a list of which something has to be said is read again. */
const AGAIN = 3000;

const NOTHING: Pick<
  IPackagesState,
  | 'fingerprint'
  | 'all'
  | 'visible'
  | 'problems'
  | 'notes'
  | 'error'
  | 'counts'
  | 'outdatedLoading'
  | 'outdatedError'
> = {
  fingerprint: '',
  all: [],
  visible: [],
  problems: [],
  notes: [],
  error: null,
  counts: { all: 0, requested: 0, outdated: 0, problems: 0 },
  outdatedLoading: 'none',
  outdatedError: null
};

/** What is installed in the environment that is shown. */
export class Packages extends Store<IPackagesState> {
  readonly #context: IContext;
  readonly #loading = new Latest();
  readonly #comparing = new Latest();
  #answer: IPackages | null = null;
  #outdated: Record<string, IOutdated> = {};
  #byName = new Map<string, IInstalled>();
  #again: ReturnType<typeof setTimeout> | undefined;

  constructor(context: IContext) {
    super({
      ...NOTHING,
      environment: null,
      loading: 'none',
      filter: '',
      show: 'all',
      sortBy: 'name',
      descending: false
    });
    this.#context = context;
  }

  /** Show another environment, or none. */
  async open(environment: string | null): Promise<void> {
    this.dispose();
    this.#answer = null;
    this.#outdated = {};
    this.#byName = new Map();
    this.set({ ...NOTHING, environment, loading: environment === null ? 'none' : 'loading' });
    await this.refresh();
  }

  /** Read the list again; nothing happens when it is what it was. */
  async refresh(): Promise<void> {
    const { environment } = this.state;
    clearTimeout(this.#again);
    if (environment === null) {
      return;
    }
    await this.#loading.run(async signal => {
      try {
        const answer = await this.#context.service.packages(environment, signal);
        signal.throwIfAborted();
        if (answer !== this.#answer) {
          this.#take(answer);
        } else {
          this.set({ loading: 'ready', error: null });
        }
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ loading: this.#answer ? 'ready' : 'failed', error: asFault(error) });
        }
      }
    });
  }

  /** What is in the middle of a change is read again soon, and compared when that has ended. */
  #take(answer: IPackages): void {
    const isSettled = answer.notes.length === 0;
    if (isSettled) {
      this.#outdated = {};
    }
    this.#derive(answer, { loading: 'ready', error: null, fingerprint: answer.fingerprint });
    this.#answer = answer;
    if (isSettled) {
      void this.compare();
    } else {
      this.#again = setTimeout(() => void this.refresh(), AGAIN);
    }
  }

  /** Ask channels and indexes what is newer. */
  async compare(): Promise<void> {
    const { environment } = this.state;
    if (environment === null) {
      return;
    }
    await this.#comparing.run(async signal => {
      this.set({ outdatedLoading: 'loading', outdatedError: null });
      try {
        const { outdated } = await this.#context.service.outdated(environment, signal);
        signal.throwIfAborted();
        this.#outdated = outdated;
        if (this.#answer) {
          this.#derive(this.#answer, { outdatedLoading: 'ready' });
        }
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ outdatedLoading: 'failed', outdatedError: asFault(error) });
        }
      }
    });
  }

  setFilter(filter: string): void {
    this.#arrange({ filter });
  }

  setShow(show: Show): void {
    this.#arrange({ show });
  }

  /** Sort by this column; the same one again turns the order round. */
  sort(sortBy: SortBy): void {
    const descending = sortBy === this.state.sortBy && !this.state.descending;
    this.#arrange({ sortBy, descending });
  }

  find(name: string): IInstalled | undefined {
    return this.#byName.get(normalize(name));
  }

  dispose(): void {
    clearTimeout(this.#again);
    this.#loading.stop();
    this.#comparing.stop();
  }

  #derive({ packages, problems, notes }: IPackages, patch: Partial<IPackagesState>): void {
    const byPackage = grouped(problems);
    const keys = uniqueKeys(packages);
    const all = packages.map((row, index) => ({
      key: keys[index] ?? '',
      row,
      newest: newer(row, this.#outdated),
      problems: byPackage.get(normalize(row.name)) ?? []
    }));
    this.#byName = new Map(all.map(one => [normalize(one.row.name), one]));
    const count = (show: Show) => all.filter(one => matches(one, show)).length;
    const counts = {
      all: all.length,
      requested: count('requested'),
      outdated: count('outdated'),
      problems: count('problems')
    };
    this.#arrange({ ...patch, all, problems, notes, counts });
  }

  #arrange(patch: Partial<IPackagesState>): void {
    const next = { ...this.state, ...patch };
    const filter = normalize(next.filter.trim());
    const words = next.filter.trim().toLowerCase();
    const left = next.all.filter(
      one =>
        matches(one, next.show) &&
        (!filter ||
          normalize(one.row.name).includes(filter) ||
          one.row.summary.toLowerCase().includes(words))
    );
    left.sort(order(next.sortBy, next.descending, filter));
    this.set({ ...patch, visible: left });
  }
}

function uniqueKeys(packages: readonly IPackageRow[]): string[] {
  const seen = new Map<string, number>();
  return packages.map(({ ecosystem, name, version }) => {
    const key = `${ecosystem}:${name}:${version}`;
    const before = seen.get(key) ?? 0;
    seen.set(key, before + 1);
    return before ? `${key}:${before}` : key;
  });
}

function newer(row: IPackageRow, outdated: Record<string, IOutdated>): string {
  const found = Object.hasOwn(outdated, row.name) ? outdated[row.name] : undefined;
  return found?.ecosystem === row.ecosystem && found.newest !== row.version ? found.newest : '';
}

function grouped(problems: readonly IProblem[]): Map<string, IProblem[]> {
  const groups = new Map<string, IProblem[]>();
  for (const problem of problems) {
    for (const name of problem.packages) {
      const key = normalize(name);
      groups.set(key, [...(groups.get(key) ?? []), problem]);
    }
  }
  return groups;
}

function matches({ row, newest, problems }: IInstalled, show: Show): boolean {
  switch (show) {
    case 'all':
      return true;
    case 'requested':
      return row.requested === true;
    case 'outdated':
      return newest !== '';
    case 'problems':
      return problems.length > 0 || row.states.length > 0;
  }
}

const compareText = (a: string, b: string) => (a < b ? -1 : Number(a > b));

/** Where names begin as the filter says, they come first. */
function order(by: SortBy, descending: boolean, filter: string) {
  const keys = new Map<IInstalled, string>();
  const key = (one: IInstalled) => {
    const known = keys.get(one) ?? normalize(one.row.name);
    keys.set(one, known);
    return known;
  };
  const sign = descending ? -1 : 1;
  const compare: Record<SortBy, (a: IInstalled, b: IInstalled) => number> = {
    name: () => 0,
    version: (a, b) => versionCollator.compare(a.row.version, b.row.version),
    source: (a, b) => compareText(a.row.source.toLowerCase(), b.row.source.toLowerCase()),
    size: (a, b) => (b.row.size ?? -1) - (a.row.size ?? -1)
  };
  const begins = (one: IInstalled) => Number(filter !== '' && !key(one).startsWith(filter));
  return (a: IInstalled, b: IInstalled) =>
    begins(a) - begins(b) ||
    sign * compare[by](a, b) ||
    (by === 'name' ? sign : 1) * compareText(key(a), key(b));
}

const versionCollator = new Intl.Collator('en', { numeric: true });
