import { ServiceError } from '../panel/errors';
import { Latest } from '../panel/model/latest';
import { Store } from '../panel/store';
import type { IJobEvent } from './events';
import type { IPackageManager } from './tokens';

/** Milliseconds between looks whether what runs still does: an event that tells of its end may be lost. */
const LOOK = 10_000;

interface IRunning {
  /** Jobs that change packages right now, with their environments. */
  jobs: ReadonlyMap<string, string>;
}

/** What changes packages right now, wherever it was started: events tell at once, the server's list tells the truth. */
export class RunningJobs extends Store<IRunning> {
  readonly #manager: Manager;
  readonly #reading = new Latest();
  readonly #end: () => void;
  #connection = '';
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Since the list was asked for. */
  #heard: IJobEvent[] = [];

  constructor(manager: Manager) {
    super({ jobs: new Map() });
    this.#manager = manager;
    this.#end = manager.session.subscribe(() => this.#onSession());
    manager.events.jobChanged.connect(this.#onJob);
    this.#onSession();
  }

  /** Whether packages of this environment are being changed. */
  isBusy(environment: string): boolean {
    return [...this.state.jobs.values()].includes(environment);
  }

  dispose(): void {
    this.#end();
    this.#reading.stop();
    clearTimeout(this.#timer);
    this.#manager.events.jobChanged.disconnect(this.#onJob);
  }

  /** After each connection, the first one too: what was missed meanwhile is in the list. */
  #onSession(): void {
    const before = this.#connection;
    this.#connection = this.#manager.session.state.connection;
    if (this.#connection === 'ready' && before !== 'ready') {
      void this.#read();
    }
  }

  async #read(): Promise<void> {
    const { service, session } = this.#manager;
    await this.#reading.run(async signal => {
      this.#heard = [];
      try {
        const jobs = await service.jobs({ state: 'running' }, signal);
        signal.throwIfAborted();
        const listed = jobs.map(({ id, ...rest }) => ({ ...rest, job: id }));
        this.#set([...listed, ...this.#heard].reduce(withJob, new Map<string, string>()));
      } catch (error) {
        if (!(error instanceof ServiceError)) {
          throw error;
        }
        session.noteLost(error); // once it is back, it is asked again
        this.#set(this.state.jobs);
      }
    });
  }

  #onJob = (_: unknown, event: IJobEvent): void => {
    this.#heard.push(event);
    this.#set(withJob(this.state.jobs, event));
  };

  #set(jobs: ReadonlyMap<string, string>): void {
    this.set({ jobs });
    clearTimeout(this.#timer);
    if (jobs.size) {
      this.#timer = setTimeout(() => void this.#read(), LOOK);
    }
  }
}

type Manager = Pick<IPackageManager, 'service' | 'session' | 'events'>;

/** A look changes nothing, and what waits for its turn doesn't yet. */
function withJob(jobs: ReadonlyMap<string, string>, { job, kind, state, environment }: IJobEvent) {
  const after = new Map(jobs);
  if ((kind === 'apply' || kind === 'run') && state === 'running') {
    after.set(job, environment);
  } else {
    after.delete(job);
  }
  return after;
}
