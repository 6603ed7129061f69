import type { IError, IProblem } from '../documents';
import { asFault } from '../errors';
import { Store } from '../store';
import type { IContext } from './context';
import type { Jobs } from './jobs';
import { Latest } from './latest';

export interface IDoctorState {
  environment: string | null;
  phase: 'none' | 'running' | 'ready' | 'failed';
  job: string | null;
  /** Whether every file was read too. */
  files: boolean;
  error: IError | null;
  problems: readonly IProblem[];
}

/** Looks for what is broken. */
export class Doctor extends Store<IDoctorState> {
  readonly #context: IContext;
  readonly #jobs: Jobs;
  readonly #running = new Latest();

  constructor(context: IContext, jobs: Jobs) {
    super({ environment: null, phase: 'none', job: null, files: false, error: null, problems: [] });
    this.#context = context;
    this.#jobs = jobs;
  }

  open(environment: string | null): void {
    this.#running.stop();
    this.set({ environment, phase: 'none', job: null, files: false, error: null, problems: [] });
  }

  async examine(files: boolean): Promise<void> {
    const { environment } = this.state;
    if (environment === null) {
      return;
    }
    await this.#running.run(async signal => {
      this.set({ phase: 'running', files, error: null });
      try {
        const started = await this.#context.service.doctor(environment, files, signal);
        this.set({ job: started.id });
        const ended = await this.#jobs.follow(started);
        signal.throwIfAborted();
        const result = ended.result as { problems?: IProblem[] } | null;
        const ready = ended.state === 'succeeded';
        const problems = result?.problems ?? [];
        this.set({ phase: ready ? 'ready' : 'failed', error: ended.error, problems });
        if (ready) {
          this.#tell(problems.length);
        }
      } catch (error) {
        if (!signal.aborted) {
          this.#context.noteLost(error);
          this.set({ phase: 'failed', error: asFault(error) });
        }
      }
    });
  }

  /** The environment was changed, so what was found may be mended, or there may be more. */
  async changed(watched: boolean): Promise<void> {
    if (this.state.phase !== 'ready') {
      return;
    }
    if (watched) {
      await this.examine(this.state.files);
    } else {
      this.open(this.state.environment);
    }
  }

  dispose(): void {
    this.#running.stop();
  }

  #tell(count: number): void {
    const { trans } = this.#context;
    this.#context.say(
      count
        ? trans._n('%1 problem found', '%1 problems found', count)
        : trans.__('No problem found')
    );
  }
}
