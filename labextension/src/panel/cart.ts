import type { Ecosystem, PlanRequest } from './documents';
import { normalize } from './names';

/** One change that was collected and not applied yet. */
export interface IPending {
  action: 'install' | 'remove' | 'update';
  name: string;
  /** Set where the user chose one; otherwise the service decides. */
  ecosystem: Ecosystem | null;
  /** Exactly this version; for an update, the newest one, where it is known. */
  version: string | null;
  /** What is installed now; empty if nothing is. */
  installed: string;
}

export type Cart = readonly IPending[];

export function find(cart: Cart, name: string): IPending | undefined {
  const key = normalize(name);
  return cart.find(pending => normalize(pending.name) === key);
}

/** The cart with this change; a package has one change at most, the latest said. */
export function put(cart: Cart, pending: IPending): Cart {
  const at = cart.findIndex(other => normalize(other.name) === normalize(pending.name));
  return at < 0 ? [...cart, pending] : cart.map((other, index) => (index === at ? pending : other));
}

export function take(cart: Cart, name: string): Cart {
  const key = normalize(name);
  return cart.filter(pending => normalize(pending.name) !== key);
}

/**
 * What to plan for the cart, in this order.
 *
 * A plan has one verb. Updates that stand beside installs become installs of at least the newest version, so
 * everything but removals is one plan; removals come first, since they may make room.
 */
export function requests(cart: Cart): { request: PlanRequest; names: string[] }[] {
  const removed = cart.filter(({ action }) => action === 'remove');
  const changed = cart.filter(({ action }) => action !== 'remove');
  const onlyUpdates = changed.every(({ action }) => action === 'update');
  const planned = [];
  if (removed.length) {
    planned.push({ verb: 'remove' as const, pending: removed });
  }
  if (changed.length) {
    planned.push({
      verb: onlyUpdates ? ('update' as const) : ('install' as const),
      pending: changed
    });
  }
  return planned.map(({ verb, pending }) => ({
    request: { verb, specs: pending.map(one => spec(one, verb)) },
    names: pending.map(({ name }) => name)
  }));
}

function spec({ action, name, ecosystem, version }: IPending, verb: string): string {
  const source = ecosystem ? `${ecosystem}::` : '';
  if (verb !== 'install' || !version) {
    return `${source}${name}`;
  }
  return `${source}${name}${action === 'update' ? '>=' : '=='}${version}`;
}
