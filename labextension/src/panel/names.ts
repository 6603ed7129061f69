import type { Ecosystem, INames } from './documents';

/** One name that can be installed, and from which ecosystems. */
export interface IFoundName {
  name: string;
  ecosystems: readonly Ecosystem[];
}

const BOTH: readonly Ecosystem[] = ['conda', 'pypi'];
const CONDA: readonly Ecosystem[] = ['conda'];
const PYPI: readonly Ecosystem[] = ['pypi'];

/** PEP 503: runs of `-`, `_` and `.` are one dash, and case says nothing. */
export function normalize(name: string): string {
  return UNUSUAL.test(name) ? name.toLowerCase().replace(/[-_.]+/g, '-') : name;
}

/** What most names have nothing of, which a list of all names feels. */
const UNUSUAL = /[^a-z0-9-]|--/;

/**
 * Search in all names of the channels and indexes, for each keystroke.
 *
 * Names are kept shortest first, so every class of matches (the name itself, its beginning, the beginning
 * of a word, anywhere) comes out ranked by one pass and without sorting. A query that only grows looks at
 * what matched before.
 */
export class NamesIndex {
  readonly #entries: readonly IFoundName[];
  readonly #keys: readonly string[];
  #last: { query: string; matches: readonly number[] } | null = null;

  constructor(names: Pick<INames, 'conda' | 'pypi'>) {
    const byKey = new Map<string, IFoundName>();
    for (const name of names.pypi) {
      byKey.set(normalize(name), { name, ecosystems: PYPI });
    }
    for (const name of names.conda) {
      const key = normalize(name);
      byKey.set(key, { name, ecosystems: byKey.has(key) ? BOTH : CONDA });
    }
    this.#keys = shortestFirst(byKey.keys());
    this.#entries = this.#keys.map(key => byKey.get(key) ?? { name: key, ecosystems: [] });
  }

  get size(): number {
    return this.#keys.length;
  }

  /** Best matches first, at most so many, and how many there are. */
  find(text: string, limit: number): { found: IFoundName[]; count: number } {
    const query = normalize(text.trim());
    if (!query) {
      return { found: [], count: 0 };
    }
    const matches = this.#matches(query);
    const ranks: number[][] = [[], [], [], []];
    for (const index of matches) {
      const best = ranks[rank(this.#keys[index] ?? '', query)];
      if (best && best.length < limit) {
        best.push(index);
      }
    }
    const found: IFoundName[] = [];
    for (const index of ranks.flat()) {
      const entry = this.#entries[index];
      if (found.length === limit || !entry) {
        break;
      }
      found.push(entry);
    }
    return { found, count: matches.length };
  }

  #matches(query: string): readonly number[] {
    const last = this.#last;
    const matches: number[] = [];
    if (last && query.startsWith(last.query)) {
      for (const index of last.matches) {
        if (this.#keys[index]?.includes(query)) {
          matches.push(index);
        }
      }
    } else {
      this.#keys.forEach((key, index) => {
        if (key.includes(query)) {
          matches.push(index);
        }
      });
    }
    this.#last = { query, matches };
    return matches;
  }
}

/** By length, and in the order of the alphabet within one. */
function shortestFirst(keys: Iterable<string>): string[] {
  const byLength: string[][] = [];
  for (const key of keys) {
    (byLength[key.length] ??= []).push(key);
  }
  return byLength.flatMap(group => group.sort());
}

function rank(key: string, query: string): 0 | 1 | 2 | 3 {
  if (key.startsWith(query)) {
    return key.length === query.length ? 0 : 1;
  }
  return key.includes(`-${query}`) ? 2 : 3;
}
