import type { Cart, IPending } from '../cart';
import { put, request as requestFor, take } from '../cart';
import type { IError, IJob, IPlan, PlanRequest } from '../documents';
import { asError, isAbort } from '../errors';
import { Store } from '../store';
import type { IContext } from './context';
import type { Jobs } from './jobs';

export interface IChangesState {
  environment: string | null;
  /** What was collected for the environment that is shown. */
  cart: Cart;
  /** Environments that are not shown, for which changes wait: id, name and how many. */
  elsewhere: readonly { environment: string; name: string; count: number }[];
  phase: 'idle' | 'planning' | 'review' | 'applying';
  /** What is being planned or applied, in the words of who asked. */
  title: string;
  /** The job that makes the plan, or applies it. */
  job: string | null;
  /** The plan that waits for a decision. */
  plan: IPlan | null;
  error: IError | null;
  /** What has to be said at the end: nothing was to do, or what happened. */
  outcome: string;
}

/** What is to happen. */
interface IWork {
  environment: string;
  title: string;
  request: PlanRequest;
  /** What leaves the cart when it is done. */
  names: string[];
}

type Decision = 'apply' | 'back';

/** Collects changes, plans them, lets the user decide where that is needed, and applies them. */
export class Changes extends Store<IChangesState> {
  readonly #context: IContext;
  readonly #jobs: Jobs;
  readonly #carts = new Map<string, Cart>();
  readonly #names = new Map<string, string>();
  #decide: ((decision: Decision) => void) | null = null;

  constructor(context: IContext, jobs: Jobs) {
    super({
      environment: null,
      cart: [],
      elsewhere: [],
      phase: 'idle',
      title: '',
      job: null,
      plan: null,
      error: null,
      outcome: ''
    });
    this.#context = context;
    this.#jobs = jobs;
  }

  /** Show another environment; what was collected for this one stays until its environment is shown again. */
  open(environment: string | null, name = ''): void {
    if (environment !== null) {
      this.#names.set(environment, name);
    }
    const cart = environment === null ? [] : (this.#carts.get(environment) ?? []);
    this.set({ environment, cart, error: null, outcome: '' });
    this.#count();
    const waiting = this.state.elsewhere.reduce((sum, { count }) => sum + count, 0);
    if (waiting) {
      const { trans } = this.#context;
      this.#context.say(
        trans._n(
          '%1 change that was not applied waits for another environment',
          '%1 changes that were not applied wait for another environment',
          waiting
        )
      );
    }
  }

  add(pending: IPending): void {
    const { trans } = this.#context;
    this.#setCart(put(this.state.cart, pending));
    this.#context.say(trans.__('%1: added to the changes', pending.name));
  }

  remove(name: string): void {
    const { trans } = this.#context;
    this.#setCart(take(this.state.cart, name));
    this.#context.say(trans.__('%1: taken out of the changes', name));
  }

  clear(): void {
    this.#setCart([]);
    this.#context.say(this.#context.trans.__('No changes any more'));
  }

  /** Plan and apply all that was collected. */
  async applyCart(): Promise<void> {
    const { cart, environment } = this.state;
    if (environment !== null && cart.length) {
      const title = this.#context.trans._n('%1 change', '%1 changes', cart.length);
      await this.#work({ environment, title, ...workOf(cart) });
    }
  }

  /** Plan and apply this one change, whatever else was collected. */
  async applyOne(pending: IPending): Promise<void> {
    const { environment } = this.state;
    if (environment !== null) {
      await this.#work({ environment, title: pending.name, ...workOf([pending]) });
    }
  }

  /** Plan and apply a command, or specs: something pasted, an undo, what mends a problem. */
  async request(request: PlanRequest, title: string): Promise<void> {
    const { environment } = this.state;
    if (environment !== null) {
      await this.#work({ environment, title, request, names: [] });
    }
  }

  /** What the user decided about the plan that is shown. */
  decide(decision: Decision): void {
    this.#decide?.(decision);
  }

  /** Stop what runs; nothing is changed, or what was is taken back. */
  async cancel(): Promise<void> {
    const { job } = this.state;
    if (job !== null) {
      await this.#jobs.cancel(job);
    }
  }

  dismiss(): void {
    this.set({ error: null, outcome: '' });
  }

  async #work({ environment, title, request, names }: IWork): Promise<void> {
    if (this.state.phase !== 'idle') {
      return;
    }
    try {
      this.set({ title, error: null, outcome: '' });
      if (await this.#apply(environment, request)) {
        this.#done(environment, names);
      }
    } catch (error) {
      if (!isAbort(error)) {
        this.#failed(error);
      }
    } finally {
      this.set({ phase: 'idle', job: null, plan: null });
    }
  }

  /** The plan: made, decided about where needed, applied. Whether it came to its end. */
  async #apply(environment: string, request: PlanRequest): Promise<boolean> {
    const { service, trans } = this.#context;
    this.set({ phase: 'planning' });
    this.#context.say(trans.__('Making a plan'));
    const planned = await this.#followed(await service.makePlan(environment, request));
    if (!this.#succeeded(planned)) {
      return false;
    }
    const plan = await service.plan((planned.result as { plan: string }).plan);
    if (isNothing(plan)) {
      this.#end(trans.__('Everything is there already, nothing to do'));
      return true;
    }
    if (needsDecision(plan) && (await this.#ask(plan)) === 'back') {
      return false;
    }
    this.set({ phase: 'applying', plan: null });
    const applied = await this.#followed(await service.apply(plan.id));
    if (!this.#succeeded(applied)) {
      return false;
    }
    this.set({ outcome: trans.__('Done: %1', this.state.title) });
    return true;
  }

  async #followed(job: IJob): Promise<IJob> {
    this.set({ job: job.id });
    return this.#jobs.follow(job);
  }

  async #ask(plan: IPlan): Promise<Decision> {
    const { trans } = this.#context;
    this.set({ phase: 'review', plan });
    this.#context.say(
      plan.blockers.length
        ? trans.__('This plan can not be applied')
        : trans.__('Please look at the plan'),
      true
    );
    return new Promise(resolve => {
      this.#decide = decision => {
        this.#decide = null;
        resolve(decision);
      };
    });
  }

  #succeeded(job: IJob): boolean {
    const { trans } = this.#context;
    if (job.state === 'succeeded') {
      return true;
    }
    if (job.state === 'cancelled') {
      this.#end(trans.__('Cancelled: the environment is as it was'));
    } else if (job.error) {
      this.#failed(job.error);
    }
    return false;
  }

  #failed(error: unknown): void {
    this.#context.noteLost(error);
    const shown = isShown(error) ? error : asError(error);
    this.set({ error: shown });
    this.#context.say(shown.message, true);
  }

  #end(outcome: string): void {
    this.set({ outcome });
    this.#context.say(outcome);
  }

  #done(environment: string, names: readonly string[]): void {
    const cart = names.reduce<Cart>(take, this.#carts.get(environment) ?? []);
    this.#keep(environment, cart);
  }

  #setCart(cart: Cart): void {
    if (this.state.environment !== null) {
      this.#keep(this.state.environment, cart);
    }
  }

  #keep(environment: string, cart: Cart): void {
    if (cart.length) {
      this.#carts.set(environment, cart);
    } else {
      this.#carts.delete(environment);
    }
    if (environment === this.state.environment) {
      this.set({ cart });
    }
    this.#count();
  }

  #count(): void {
    const elsewhere = [...this.#carts]
      .filter(([environment]) => environment !== this.state.environment)
      .map(([environment, cart]) => ({
        environment,
        name: this.#names.get(environment) ?? '',
        count: cart.length
      }));
    if (elsewhere.length || this.state.elsewhere.length) {
      this.set({ elsewhere });
    }
  }
}

function workOf(cart: Cart): Pick<IWork, 'request' | 'names'> {
  return { request: requestFor(cart), names: cart.map(({ name }) => name) };
}

function isNothing(plan: IPlan): boolean {
  return !plan.blockers.length && plan.steps.every(step => !step.changes.length);
}

/** Only what is more than what was asked for, or puts something at stake, is worth a question. */
function needsDecision(plan: IPlan): boolean {
  return plan.review.needed || plan.blockers.length > 0;
}

function isShown(error: unknown): error is IError {
  return (
    !(error instanceof Error) && typeof error === 'object' && error !== null && 'reference' in error
  );
}
