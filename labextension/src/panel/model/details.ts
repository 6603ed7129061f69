import type { Ecosystem, IDetails, IError, IVersions } from '../documents';
import { asFault } from '../errors';
import { Store } from '../store';
import type { IContext, Loadable } from './context';
import { Latest } from './latest';

export interface IDetailsState {
  environment: string | null;
  /** The package that is shown; `null` when none is. */
  name: string | null;
  loading: Loadable;
  error: IError | null;
  details: IDetails | null;
  /** Where versions are taken from; `null` leaves it to the service. */
  ecosystem: Ecosystem | null;
  versions: IVersions | null;
  /** The one to install; empty for the newest that fits. */
  version: string;
  /** Names that were shown before this one, for going back. */
  trail: readonly string[];
  /** How often details were closed: each time the focus goes back to the list. */
  closed: number;
}

/** Everything about one package, installed or not. */
export class Details extends Store<IDetailsState> {
  readonly #context: IContext;
  readonly #loading = new Latest();
  readonly #listing = new Latest();

  constructor(context: IContext) {
    super({
      environment: null,
      name: null,
      loading: 'none',
      error: null,
      details: null,
      ecosystem: null,
      versions: null,
      version: '',
      trail: [],
      closed: 0
    });
    this.#context = context;
  }

  open(environment: string | null): void {
    this.close();
    this.set({ environment });
  }

  /** Show a package; `from` another one's details, which going back returns to. */
  async show(name: string, { from = null }: { from?: string | null } = {}): Promise<void> {
    await this.#turnTo(name, from === null ? [] : [...this.state.trail, from]);
  }

  async back(): Promise<void> {
    const before = this.state.trail.at(-1);
    if (before === undefined) {
      this.close();
      return;
    }
    await this.#turnTo(before, this.state.trail.slice(0, -1));
  }

  close(): void {
    this.#loading.stop();
    this.#listing.stop();
    if (this.state.name === null) {
      return;
    }
    this.set({
      closed: this.state.closed + 1,
      name: null,
      trail: [],
      details: null,
      versions: null,
      loading: 'none',
      error: null
    });
  }

  async refresh(): Promise<void> {
    const { environment, name } = this.state;
    if (environment === null || name === null) {
      return;
    }
    await this.#loading.run(async signal => {
      this.set({ loading: 'loading', error: null });
      try {
        const details = await this.#context.service.details(environment, name, signal);
        signal.throwIfAborted();
        this.set({ details, loading: 'ready' });
        await this.#list();
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ loading: 'failed', error: asFault(error) });
        }
      }
    });
  }

  setVersion(version: string): void {
    this.set({ version });
  }

  async setEcosystem(ecosystem: Ecosystem | null): Promise<void> {
    this.set({ ecosystem, version: '', versions: null });
    await this.#list();
  }

  dispose(): void {
    this.#loading.stop();
    this.#listing.stop();
  }

  async #turnTo(name: string, trail: readonly string[]): Promise<void> {
    this.#listing.stop(); // the versions of the one before
    this.set({ name, trail, ecosystem: null, version: '', versions: null, details: null });
    await this.refresh();
  }

  /** Without a list the newest version can still be had, so a failure here is none of the whole. */
  async #list(): Promise<void> {
    const { environment, name, ecosystem } = this.state;
    if (environment === null || name === null) {
      return;
    }
    await this.#listing.run(async signal => {
      try {
        const versions = await this.#context.service.versions(environment, name, ecosystem, signal);
        signal.throwIfAborted();
        this.set({ versions });
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ versions: null });
        }
      }
    });
  }
}
