import type { Action, Ecosystem, PlanRequest } from './documents';
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
  /** Whether the version comes before the installed one. */
  older?: boolean;
}

/** A change of whatever ecosystem has the package. */
export function pendingChange(
  action: IPending['action'],
  name: string,
  { version = null, installed = '' }: { version?: string | null; installed?: string } = {}
): IPending {
  return { action, name, ecosystem: null, version, installed };
}

/** What it does to the environment, as a plan will say it. */
export function effect({ action, installed, version, older }: IPending): Action {
  switch (action) {
    case 'remove':
      return 'remove';
    case 'update':
      return 'upgrade';
    case 'install':
      return !installed || !version ? 'install' : older ? 'downgrade' : 'upgrade';
  }
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

const VERBS = ['remove', 'install', 'update'] as const;

/** What to plan for the cart: everything is one plan. */
export function request(cart: Cart): PlanRequest {
  const requests = VERBS.map(verb => ({
    verb,
    specs: cart.filter(({ action }) => action === verb).map(spec)
  })).filter(({ specs }) => specs.length);
  const [first] = requests;
  return first && requests.length === 1 ? first : { requests };
}

function spec({ action, name, ecosystem, version }: IPending): string {
  const source = ecosystem ? `${ecosystem}::` : '';
  return action === 'install' && version ? `${source}${name}==${version}` : `${source}${name}`;
}
