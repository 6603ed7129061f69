import type { IApplied, IError, IJob } from '../documents';
import { isEnded } from '../documents';
import { ServiceError, asFault, isAbort } from '../errors';
import { followJob } from '../follow';
import type { IProgress } from '../progress';
import { advance, nothingYet } from '../progress';
import { Store } from '../store';
import type { IContext, Loadable } from './context';
import { Latest } from './latest';

/** A job and what its events said so far. */
export interface IJobView {
  job: IJob;
  progress: IProgress;
  /** Nothing answers; it may well go on running. */
  lost: boolean;
  cancelling: boolean;
}

export interface IJobsState {
  environment: string | null;
  loading: Loadable;
  error: IError | null;
  /** Newest first: what runs, and what ended. */
  jobs: readonly IJobView[];
}

export type OnEnded = (job: IJob) => void;

/** The jobs of the environment that is shown, wherever they were started, followed until they end. */
export class Jobs extends Store<IJobsState> {
  readonly #context: IContext;
  readonly #onEnded: OnEnded;
  readonly #loading = new Latest();
  #isDisposed = false;
  readonly #followed = new Map<string, { done: Promise<IJob>; stop: AbortController }>();

  constructor(context: IContext, onEnded: OnEnded) {
    super({ environment: null, loading: 'none', error: null, jobs: [] });
    this.#context = context;
    this.#onEnded = onEnded;
  }

  async open(environment: string | null): Promise<void> {
    const ours = this.state.jobs.filter(({ job }) => !isEnded(job));
    this.set({ environment, jobs: ours, loading: 'none', error: null });
    await this.refresh();
  }

  /** Look for jobs that others started. */
  async refresh(): Promise<void> {
    const { environment } = this.state;
    if (environment === null) {
      return;
    }
    await this.#loading.run(async signal => {
      try {
        const jobs = await this.#context.service.jobs({ environment }, signal);
        signal.throwIfAborted();
        this.set({ loading: 'ready', error: null, jobs: withJobs(this.state.jobs, jobs) });
        for (const job of jobs.filter(job => !isEnded(job) && job.kind !== 'plan')) {
          void this.follow(job).catch(this.#unlessAborted);
        }
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ loading: 'failed', error: asFault(error) });
        }
      }
    });
  }

  find(id: string): IJobView | undefined {
    return this.state.jobs.find(({ job }) => job.id === id);
  }

  /** Follow a job to its end; rejects with an `AbortError` only when the model is disposed. */
  follow(job: IJob): Promise<IJob> {
    return this.#following(job, this.#onEnded);
  }

  /** The log of a job that ended before this panel was there. */
  async readLog(id: string): Promise<void> {
    const view = this.find(id);
    if (view?.progress === nothingYet && !this.#followed.has(id)) {
      await this.#following(view.job, () => undefined).catch(this.#unlessAborted);
    }
  }

  async cancel(id: string): Promise<void> {
    this.#change(id, { cancelling: true });
    try {
      this.#put(await this.#context.service.cancel(id));
    } catch (error) {
      this.#change(id, { cancelling: false });
      this.#context.noteLost(error);
      this.set({ error: asFault(error) });
    }
  }

  dismissError(): void {
    this.set({ error: null });
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#loading.stop();
    for (const { stop } of this.#followed.values()) {
      stop.abort();
    }
  }

  readonly #unlessAborted = (error: unknown): void => {
    if (!isAbort(error)) {
      this.#context.noteLost(error);
      this.set({ error: asFault(error) });
    }
  };

  #following(job: IJob, onEnded: OnEnded): Promise<IJob> {
    this.#put(job);
    const known = this.#followed.get(job.id);
    if (known) {
      return known.done;
    }
    const stop = new AbortController();
    if (this.#isDisposed) {
      stop.abort(); // what was asked for when the panel was closed: nobody waits for its end
    }
    const done = this.#follow(job, onEnded, stop.signal).finally(() =>
      this.#followed.delete(job.id)
    );
    this.#followed.set(job.id, { done, stop });
    return done;
  }

  async #follow(started: IJob, onEnded: OnEnded, signal: AbortSignal): Promise<IJob> {
    try {
      const job = await followJob(this.#context.service, started.id, {
        signal,
        onPage: ({ job, events, first }) => {
          const before = this.find(job.id)?.progress ?? nothingYet;
          const missing = before === nothingYet ? Math.max(0, first - 1) : 0;
          const after = advance(before, events);
          this.#put(job, missing ? { ...after, dropped: after.dropped + missing } : after);
        },
        onLost: error => {
          this.#change(started.id, { lost: error !== null });
          this.#context.noteLost(error);
        }
      });
      onEnded(job);
      return job;
    } catch (error) {
      if (error instanceof ServiceError && error.kind === 'refused' && error.status === 404) {
        this.set({ jobs: this.state.jobs.filter(({ job }) => job.id !== started.id) });
      }
      this.#change(started.id, { lost: true }); // unless it is read again, nobody hears how it ends
      throw error;
    }
  }

  #put(job: IJob, progress?: IProgress): void {
    this.set({ jobs: withJobs(this.state.jobs, [job], progress) });
  }

  #change(id: string, patch: Partial<IJobView>): void {
    const jobs = this.state.jobs.map(view => (view.job.id === id ? { ...view, ...patch } : view));
    this.set({ jobs });
  }
}

/** These jobs with those, or what is new about them; newest first. */
function withJobs(
  views: readonly IJobView[],
  jobs: readonly IJob[],
  progress?: IProgress
): IJobView[] {
  const all = new Map(views.map(view => [view.job.id, view]));
  for (const job of jobs) {
    all.set(job.id, viewOf(job, all.get(job.id), progress));
  }
  const isBefore = (a: IJobView, b: IJobView) => Number(a.job.created < b.job.created);
  return [...all.values()].sort((a, b) => isBefore(a, b) - isBefore(b, a));
}

function viewOf(job: IJob, before: IJobView | undefined, progress?: IProgress): IJobView {
  return {
    job: before && isEnded(before.job) ? before.job : job,
    progress: progress ?? before?.progress ?? nothingYet,
    lost: false,
    cancelling: (before?.cancelling ?? false) && !isEnded(job)
  };
}

/** Whether a job is about a change: one that goes on or went wrong, or that changed packages. A look is none. */
export function isAboutChange(job: IJob): boolean {
  if (job.kind === 'apply') {
    return true;
  }
  const result = job.result as { transaction?: string | null; changed_packages?: unknown[] } | null;
  const changed = Boolean(result?.transaction) || Boolean(result?.changed_packages?.length);
  return job.kind === 'run' && (!isEnded(job) || job.state !== 'succeeded' || changed);
}

/** What a job of kind `apply` did; `null` for any other, and for one that didn't. */
export function appliedBy(job: IJob): IApplied | null {
  const result = job.result as Partial<IApplied> | null;
  return result && Array.isArray(result.changes) ? (result as IApplied) : null;
}
