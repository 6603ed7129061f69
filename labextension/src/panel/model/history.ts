import type { IEntry, IError } from '../documents';
import { asFault } from '../errors';
import { Store } from '../store';
import type { IContext, Loadable } from './context';
import { Latest } from './latest';

export interface IHistoryState {
  environment: string | null;
  loading: Loadable;
  error: IError | null;
  entries: readonly IEntry[];
}

/** What was done to the environment, newest first. */
export class History extends Store<IHistoryState> {
  readonly #context: IContext;
  readonly #loading = new Latest();

  constructor(context: IContext) {
    super({ environment: null, loading: 'none', error: null, entries: [] });
    this.#context = context;
  }

  open(environment: string | null): void {
    this.#loading.stop();
    this.set({ environment, loading: 'none', error: null, entries: [] });
  }

  async refresh(): Promise<void> {
    const { environment } = this.state;
    if (environment === null) {
      return;
    }
    await this.#loading.run(async signal => {
      this.set({ loading: this.state.entries.length ? 'ready' : 'loading', error: null });
      try {
        const entries = await this.#context.service.history(environment, signal);
        signal.throwIfAborted();
        this.set({ entries, loading: 'ready' });
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          const loading = this.state.entries.length ? 'ready' : 'failed';
          this.set({ loading, error: asFault(error) });
        }
      }
    });
  }

  dispose(): void {
    this.#loading.stop();
  }
}
