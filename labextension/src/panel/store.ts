import { useSyncExternalStore } from 'react';

/**
 * State that changes as a whole: each snapshot is immutable, and listeners hear of each new one.
 *
 * No framework: hosts without React subscribe as components do.
 */
export class Store<State extends object> {
  #state: Readonly<State>;
  readonly #listeners = new Set<() => void>();

  constructor(state: State) {
    this.#state = state;
  }

  get state(): Readonly<State> {
    return this.#state;
  }

  /** Hear of each change; returns what ends it. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Put these fields in; says nothing when none of them is new. */
  protected set(patch: Partial<State>): void {
    const keys = Object.keys(patch) as (keyof State)[];
    if (keys.every(key => Object.is(this.#state[key], patch[key]))) {
      return;
    }
    this.#state = { ...this.#state, ...patch };
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }
}

/** The current snapshot of a store; the component renders again with each new one. */
export function useStore<State extends object>(store: Store<State>): Readonly<State> {
  return useSyncExternalStore(
    store.subscribe,
    () => store.state,
    () => store.state
  );
}
