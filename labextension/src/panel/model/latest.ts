import { isAbort } from '../errors';

/** Work of which only the newest counts: starting it anew stops what ran before. */
export class Latest {
  #controller: AbortController | null = null;

  /** Resolves with `undefined` when it was overtaken or stopped. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    this.stop();
    const controller = new AbortController();
    this.#controller = controller;
    try {
      const result = await work(controller.signal);
      return controller.signal.aborted ? undefined : result;
    } catch (error) {
      if (isAbort(error) || controller.signal.aborted) {
        return undefined;
      }
      throw error;
    } finally {
      if (this.#controller === controller) {
        this.#controller = null;
      }
    }
  }

  stop(): void {
    this.#controller?.abort();
    this.#controller = null;
  }
}
