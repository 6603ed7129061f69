import type { Cart, IPending } from '../cart';
import { put, request as requestFor, take } from '../cart';
import type { IError, IJob, IPlan, PlanRequest } from '../documents';
import { asFault, isAbort } from '../errors';
import { Store } from '../store';
import type { IContext } from './context';
import type { Jobs } from './jobs';

/** What goes on in one environment, and how the last of it ended. */
export interface IProceedings {
  /** What was collected, and not applied yet. */
  cart: Cart;
  phase: 'idle' | 'planning' | 'review' | 'applying';
  /** What is being planned or applied, in the words of who asked. */
  title: string;
  /** The job that makes the plan, or applies it. */
  job: string | null;
  /** The plan that waits for a decision. */
  plan: IPlan | null;
  error: IError | null;
  /** What failed before anything was begun, so that it can be done again. */
  failed: IWork | null;
  /** What has to be said at the end: nothing was to do, or what happened. */
  outcome: string;
}

/** An environment that is not shown, and what must not be forgotten of it. */
export interface IElsewhere {
  environment: string;
  name: string;
  /** How many changes wait. */
  count: number;
  phase: IProceedings['phase'];
  title: string;
  /** What nobody has seen yet. */
  error: IError | null;
}

/** The proceedings of the environment that is shown, and what is to be known of the others. */
export interface IChangesState extends IProceedings {
  environment: string | null;
  elsewhere: readonly IElsewhere[];
}

/** All that is known of an environment here. */
interface IKept {
  name: string;
  proceedings: IProceedings;
  /** Its error came while another environment was shown. */
  unseen: boolean;
  /** Ends the review. */
  decide: ((decision: Decision) => void) | null;
  /** Settled when nothing is planned or applied any more. */
  working: Promise<void>;
}

/** What is to happen. */
export interface IWork {
  environment: string;
  title: string;
  request: PlanRequest;
  /** What leaves the cart when it is done. */
  names: string[];
}

type Decision = 'apply' | 'back';

const NOTHING_SAID = { error: null, failed: null, outcome: '' };
const NOTHING: IProceedings = {
  cart: [],
  phase: 'idle',
  title: '',
  job: null,
  plan: null,
  ...NOTHING_SAID
};

/**
 * Collects changes, plans them, lets the user decide where that is needed, and applies them.
 *
 * Each environment has proceedings of its own: what goes on in one neither stops another nor speaks for it.
 */
export class Changes extends Store<IChangesState> {
  readonly #context: IContext;
  readonly #jobs: Jobs;
  readonly #kept = new Map<string, IKept>();

  constructor(context: IContext, jobs: Jobs) {
    super({ ...NOTHING, environment: null, elsewhere: [] });
    this.#context = context;
    this.#jobs = jobs;
  }

  /** Show another environment; what was collected for this one, and what goes on there, stays. */
  open(environment: string | null, name = ''): void {
    if (this.state.environment !== null) {
      this.#put(this.state.environment, { outcome: '' }); // it was seen
    }
    if (environment === null) {
      this.set({ ...NOTHING, environment });
    } else {
      const kept = this.#of(environment);
      Object.assign(kept, { name, unseen: false });
      this.set({ ...kept.proceedings, environment });
    }
    this.#lookElsewhere();
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

  /** A sentence about an environment, with its name when another one is shown. */
  named(environment: string, sentence: string): string {
    const name = this.#kept.get(environment)?.name;
    return environment === this.state.environment || !name
      ? sentence
      : this.#context.trans.__('%1: %2', name, sentence);
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

  /** Do what failed on its way to the server. */
  async again(): Promise<void> {
    const { failed } = this.state;
    if (failed !== null) {
      await this.#work(failed);
    }
  }

  /** What the user decided about the plan that is shown. */
  decide(decision: Decision): void {
    const { environment } = this.state;
    if (environment !== null) {
      this.#of(environment).decide?.(decision);
    }
  }

  /** Drop the plan that is shown; resolves when something else can be planned. */
  async back(): Promise<void> {
    const { environment } = this.state;
    this.decide('back');
    if (environment !== null) {
      await this.#of(environment).working;
    }
  }

  /** Stop what runs; nothing is changed, or what was is taken back. */
  async cancel(): Promise<void> {
    const { job } = this.state;
    if (job !== null) {
      await this.#jobs.cancel(job);
    }
  }

  dismiss(): void {
    if (this.state.environment !== null) {
      this.#put(this.state.environment, { error: null, failed: null, outcome: '' });
    }
  }

  #work(work: IWork): Promise<void> {
    const kept = this.#of(work.environment);
    if (kept.proceedings.phase !== 'idle') {
      return Promise.resolve();
    }
    kept.working = this.#proceed(work);
    return kept.working;
  }

  async #proceed(work: IWork): Promise<void> {
    const { environment, title, request, names } = work;
    try {
      this.#put(environment, { ...NOTHING_SAID, title, phase: 'planning' });
      if (await this.#apply(environment, request)) {
        const { cart } = this.#of(environment).proceedings;
        this.#put(environment, { cart: names.reduce<Cart>(take, cart) });
      }
    } catch (error) {
      if (!isAbort(error)) {
        this.#broken(work, error);
      }
    } finally {
      this.#put(environment, { phase: 'idle', job: null, plan: null });
    }
  }

  /** The plan: made, decided about where needed, applied. Whether it came to its end. */
  async #apply(environment: string, request: PlanRequest): Promise<boolean> {
    const { service, trans } = this.#context;
    this.#say(environment, trans.__('Making a plan'));
    const planned = await this.#followed(await service.makePlan(environment, request));
    if (!this.#succeeded(planned)) {
      return false;
    }
    const plan = await service.plan((planned.result as { plan: string }).plan);
    if (isNothing(plan)) {
      this.#end(environment, trans.__('Everything is there already, nothing to do'));
      return true;
    }
    if (needsDecision(plan) && (await this.#ask(environment, plan)) === 'back') {
      return false;
    }
    this.#put(environment, { phase: 'applying', plan: null });
    const applied = await this.#followed(await service.apply(plan.id));
    if (!this.#succeeded(applied)) {
      return false;
    }
    const { title } = this.#of(environment).proceedings;
    this.#put(environment, { outcome: trans.__('Done: %1', title) });
    return true;
  }

  async #followed(job: IJob): Promise<IJob> {
    this.#put(job.environment, { job: job.id });
    return this.#jobs.follow(job);
  }

  async #ask(environment: string, plan: IPlan): Promise<Decision> {
    const { trans } = this.#context;
    const kept = this.#of(environment);
    const decision = new Promise<Decision>(resolve => (kept.decide = resolve));
    this.#put(environment, { phase: 'review', plan });
    const sentence = plan.blockers.length
      ? trans.__('This plan can not be applied')
      : trans.__('Please look at the plan');
    this.#say(environment, sentence, true);
    try {
      return await decision;
    } finally {
      kept.decide = null;
    }
  }

  #succeeded(job: IJob): boolean {
    const { trans } = this.#context;
    if (job.state === 'succeeded') {
      return true;
    }
    if (job.state === 'cancelled') {
      this.#end(job.environment, trans.__('Cancelled: the environment is as it was'));
    } else if (job.error) {
      this.#failed(job.environment, job.error);
    }
    return false;
  }

  /** A request got no answer of ours. One that was to begin the change may have done so. */
  #broken(work: IWork, error: unknown): void {
    const { trans } = this.#context;
    const isLost = this.#context.noteLost(error);
    const fault = asFault(error);
    const { environment } = work;
    if (this.#of(environment).proceedings.phase !== 'applying') {
      this.#failed(environment, fault);
      this.#put(environment, { failed: fault.kind === 'refused' ? null : work });
    } else if (isLost) {
      const hint = trans.__('look under Changes whether it began');
      this.#failed(environment, { ...this.#context.explain(fault), hint });
    } else {
      this.#failed(environment, fault);
    }
  }

  #failed(environment: string, error: IError): void {
    this.#of(environment).unseen = environment !== this.state.environment;
    this.#put(environment, { error });
    this.#say(environment, this.#context.explain(error).message, true);
  }

  #end(environment: string, outcome: string): void {
    this.#put(environment, { outcome });
    this.#say(environment, outcome);
  }

  #say(environment: string, sentence: string, urgent = false): void {
    this.#context.say(this.named(environment, sentence), urgent);
  }

  #setCart(cart: Cart): void {
    if (this.state.environment !== null) {
      this.#put(this.state.environment, { cart });
    }
  }

  #of(environment: string): IKept {
    const known = this.#kept.get(environment);
    if (known) {
      return known;
    }
    const working = Promise.resolve();
    const kept = { name: '', proceedings: NOTHING, unseen: false, decide: null, working };
    this.#kept.set(environment, kept);
    return kept;
  }

  #put(environment: string, patch: Partial<IProceedings>): void {
    const kept = this.#of(environment);
    kept.proceedings = { ...kept.proceedings, ...patch };
    if (environment === this.state.environment) {
      this.set(patch);
    } else {
      this.#lookElsewhere();
    }
  }

  #lookElsewhere(): void {
    const elsewhere = [...this.#kept]
      .filter(([environment]) => environment !== this.state.environment)
      .map(([environment, { name, proceedings, unseen }]) => ({
        environment,
        name,
        count: proceedings.cart.length,
        phase: proceedings.phase,
        title: proceedings.title,
        error: unseen ? proceedings.error : null
      }))
      .filter(({ count, phase, error }) => count > 0 || phase !== 'idle' || error !== null);
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
