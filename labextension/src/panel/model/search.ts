import { understand } from '../command-text';
import type { Understood } from '../command-text';
import type { Ecosystem, IError, ISearchHit } from '../documents';
import { asFault } from '../errors';
import { pause } from '../follow';
import { NamesIndex, normalize } from '../names';
import { Store } from '../store';
import type { IContext, Loadable } from './context';
import { Latest } from './latest';

/** A name that matches, with what the server told of it so far. */
export interface IFound {
  name: string;
  ecosystems: readonly Ecosystem[];
  /** The newest version; empty as long as nobody asked. */
  version: string;
  origin: string;
  summary: string;
}

export interface ISearchState {
  environment: string | null;
  text: string;
  understood: Understood;
  found: readonly IFound[];
  /** How many names match in all. */
  count: number;
  names: Loadable;
  /** How many names there are. */
  size: number;
  asking: Loadable;
  error: IError | null;
  notes: readonly string[];
}

/** Rows that are shown: nobody reads more, and the next letter is cheaper. */
const SHOWN = 200;
const ASKED = 20;
/** Milliseconds without a keystroke before the server is asked. */
const CALM = 250;

/** Search over all names at once, filled in with what the server says of the best. */
export class Search extends Store<ISearchState> {
  readonly #context: IContext;
  readonly #loading = new Latest();
  readonly #asking = new Latest();
  #index: NamesIndex | null = null;
  #hits: readonly ISearchHit[] = [];

  constructor(context: IContext) {
    super({
      environment: null,
      text: '',
      understood: { kind: 'nothing' },
      found: [],
      count: 0,
      names: 'none',
      size: 0,
      asking: 'none',
      error: null,
      notes: []
    });
    this.#context = context;
  }

  open(environment: string | null): void {
    this.#loading.stop();
    this.#asking.stop();
    this.#index = null;
    this.#hits = [];
    this.set({
      environment,
      found: [],
      count: 0,
      names: 'none',
      size: 0,
      asking: 'none',
      notes: []
    });
    if (this.state.text) {
      this.setText(this.state.text);
    }
  }

  /** Read all names, once for each environment. Without them the server alone searches. */
  async load(): Promise<void> {
    const { environment, names } = this.state;
    if (environment === null || names === 'loading' || names === 'ready') {
      return;
    }
    this.set({ names: 'loading' });
    await this.#loading.run(async signal => {
      try {
        const answer = await this.#context.service.names(environment, signal);
        signal.throwIfAborted();
        this.#index = new NamesIndex(answer);
        this.set({ names: 'ready', size: this.#index.size });
        this.#show();
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ names: 'failed' });
        }
      }
    });
  }

  setText(text: string): void {
    const understood = understand(text);
    this.#hits = [];
    this.set({ text, understood, error: null, notes: [] });
    this.#show();
    this.#asking.stop();
    if (understood.kind === 'query') {
      void this.#ask(understood.query);
    } else {
      this.set({ asking: 'none' });
    }
  }

  /** Ask again for what could not be had. */
  again(): void {
    if (this.state.names === 'failed') {
      void this.load();
    }
    if (this.state.asking === 'failed') {
      this.setText(this.state.text);
    }
  }

  dispose(): void {
    this.#loading.stop();
    this.#asking.stop();
  }

  async #ask(query: string): Promise<void> {
    const { environment } = this.state;
    if (environment === null) {
      return;
    }
    await this.#asking.run(async signal => {
      this.set({ asking: 'loading' });
      try {
        await pause(CALM, signal);
        const { hits, notes } = await this.#context.service.search(
          environment,
          query,
          ASKED,
          signal
        );
        signal.throwIfAborted();
        this.#hits = hits;
        this.set({ asking: 'ready', notes });
        this.#show();
        this.#tell();
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ asking: 'failed', error: asFault(error) });
        }
      }
    });
  }

  #show(): void {
    const { understood } = this.state;
    if (understood.kind !== 'query') {
      this.set({ found: [], count: 0 });
      return;
    }
    const { found, count } = this.#index?.find(understood.query, SHOWN) ?? { found: [], count: 0 };
    const merged = merge(found, this.#hits);
    this.set({ found: merged, count: Math.max(count, merged.length) });
  }

  #tell(): void {
    const { trans } = this.#context;
    const { count } = this.state;
    this.#context.say(
      count
        ? trans._n('%1 package found', '%1 packages found', count)
        : trans.__('No package found')
    );
  }
}

/** Names in the order of the index, with the hits' facts; then what only the server found. */
function merge(
  names: readonly { name: string; ecosystems: readonly Ecosystem[] }[],
  hits: readonly ISearchHit[]
) {
  const byKey = new Map<string, IFound>();
  for (const { name, ecosystems } of names) {
    byKey.set(normalize(name), { name, ecosystems, version: '', origin: '', summary: '' });
  }
  for (const hit of hits) {
    const key = normalize(hit.name);
    const known = byKey.get(key);
    const facts = { version: hit.version, origin: hit.origin, summary: hit.summary };
    if (!known) {
      byKey.set(key, { name: hit.name, ecosystems: [hit.ecosystem], ...facts });
    } else {
      const ecosystems = known.ecosystems.includes(hit.ecosystem)
        ? known.ecosystems
        : [...known.ecosystems, hit.ecosystem];
      byKey.set(key, known.version ? { ...known, ecosystems } : { ...known, ecosystems, ...facts });
    }
  }
  return [...byKey.values()];
}
