/**
 * The REST API in memory: the documents have the shape of the server's, jobs go on as a test says.
 * This is the seam of the unit tests; the browser tests run against a real server.
 */
import type {
  IDetails,
  IEntry,
  IEnvironment,
  IError,
  IJob,
  IKernel,
  INames,
  IOutdated,
  IPackages,
  IPlan,
  ISearchHit,
  IVersions,
  JobEvent,
  JobKind,
  JobState,
  PlanRequest
} from '../../src/panel/documents';
import type { ITransportRequest, ITransportResponse } from '../../src/panel/service';

export interface IWorld {
  kernels: Record<string, IKernel>;
  environments: Record<string, IEnvironment>;
  packages: Record<string, IPackages>;
  outdated: Record<string, IOutdated>;
  names: INames;
  hits: ISearchHit[];
  details: Record<string, IDetails>;
  versions: Record<string, IVersions>;
  history: IEntry[];
}

type Unnumbered = JobEvent extends infer One
  ? One extends unknown
    ? Omit<One, 'number' | 'time'>
    : never
  : never;

interface IKept {
  job: IJob;
  events: JobEvent[];
}

/** What a request of a plan ends in. */
export type Planner = (request: PlanRequest, environment: string) => IPlan | IError;

const TIME = '2026-11-22T10:00:00+00:00';

export class MemoryServer {
  /** Every request, as `METHOD path`. */
  readonly requests: string[] = [];
  readonly bodies: unknown[] = [];
  /** Nothing answers while this is set. */
  down = false;
  /** What stands before the server, and answers in its place where this says something. */
  before: (request: ITransportRequest) => Partial<ITransportResponse> | null = () => null;
  /** Whether there is an extension at all. */
  absent = false;
  planner: Planner = () => ({ ...unplanned });
  /** Called with each job of kind `apply` or `doctor` as soon as it is there. */
  onJob: (job: IJob, server: MemoryServer) => void = () => undefined;
  readonly #jobs = new Map<string, IKept>();
  readonly #plans = new Map<string, IPlan>();
  readonly #waiting = new Set<() => void>();
  #count = 0;

  constructor(readonly world: IWorld) {}

  readonly transport = async (request: ITransportRequest): Promise<ITransportResponse> => {
    this.requests.push(`${request.method} ${request.path}`);
    this.bodies.push(request.body);
    await Promise.resolve();
    request.signal?.throwIfAborted();
    if (this.down) {
      throw new TypeError('NetworkError when attempting to fetch resource');
    }
    if (this.absent) {
      return { status: 404, body: { message: 'Not Found', reason: null }, headers: {} };
    }
    const foreign = this.before(request);
    if (foreign) {
      return { status: 200, body: null, headers: {}, ...foreign };
    }
    const url = new URL(request.path, 'http://memory/');
    const parts = url.pathname.slice(1).split('/').map(decodeURIComponent);
    return this.#answer(request, parts, url.searchParams);
  };

  /** A job that somebody else started. */
  addJob(kind: JobKind, environment: string, patch: Partial<IJob> = {}): IJob {
    this.#count += 1;
    const job: IJob = {
      id: `job-${this.#count}`,
      kind,
      environment,
      title: kind,
      state: 'running',
      created: `2026-11-22T10:00:${String(this.#count).padStart(2, '0')}+00:00`,
      started: TIME,
      ended: null,
      user: 'ada',
      face: 'panel',
      kernel: null,
      plan: null,
      position: 0,
      last: 0,
      error: null,
      result: null,
      ...patch
    };
    this.#jobs.set(job.id, { job, events: [] });
    return job;
  }

  emit(id: string, ...events: Unnumbered[]): void {
    const kept = this.#kept(id);
    for (const event of events) {
      const number = kept.job.last + 1;
      kept.job = { ...kept.job, last: number };
      kept.events.push({ ...event, number, time: TIME });
    }
    this.#wake();
  }

  end(
    id: string,
    state: JobState,
    { result = null, error = null }: Partial<Pick<IJob, 'result' | 'error'>> = {}
  ) {
    const kept = this.#kept(id);
    kept.job = { ...kept.job, state, result, error, ended: '2026-11-22T10:00:07+00:00' };
    this.emit(id, { type: 'state', state });
  }

  job(id: string): IJob {
    return this.#kept(id).job;
  }

  /** Jobs of a kind, oldest first. */
  jobsOf(kind: JobKind): IJob[] {
    return [...this.#jobs.values()].map(({ job }) => job).filter(job => job.kind === kind);
  }

  /** Forget the events up to a number, as a bounded log does. */
  drop(id: string, upTo: number): void {
    const kept = this.#kept(id);
    kept.events = kept.events.filter(({ number }) => number > upTo);
  }

  #kept(id: string): IKept {
    const kept = this.#jobs.get(id);
    if (!kept) {
      throw new Error(`no job ${id}`);
    }
    return kept;
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) {
      wake();
    }
  }

  async #answer(
    request: ITransportRequest,
    parts: string[],
    query: URLSearchParams
  ): Promise<ITransportResponse> {
    const [head = '', id = '', part = '', name = ''] = parts;
    const { world } = this;
    switch (head) {
      case 'settings':
        return ok({
          version: '0.1.0',
          server: { environment: 'env-server' },
          policy: {},
          attach: true,
          engines: [{ name: 'uv', version: '0.13.5' }],
          limits: {}
        });
      case 'kernels':
        return id
          ? known(world.kernels[id], 'kernel')
          : ok({ kernels: Object.values(world.kernels) });
      case 'environments':
        if (!id) {
          return ok({ environments: Object.values(world.environments) });
        }
        return this.#environment(request, { id, part, name }, query);
      case 'plans':
        return known(this.#plans.get(id), 'plan');
      case 'jobs':
        return this.#jobRequest(request, { id, part }, query);
      default:
        return { status: 404, body: { message: 'Not Found' }, headers: {} };
    }
  }

  #environment(
    request: ITransportRequest,
    { id, part, name }: { id: string; part: string; name: string },
    query: URLSearchParams
  ): ITransportResponse {
    const { world } = this;
    switch (part) {
      case '':
        return known(world.environments[id], 'environment');
      case 'packages':
        return name ? known(world.details[name], 'package') : tagged(request, world.packages[id]);
      case 'outdated':
        return ok({ outdated: world.outdated, notes: [] });
      case 'names':
        return ok(world.names);
      case 'search': {
        const text = query.get('q') ?? '';
        return ok({
          query: text,
          hits: world.hits.filter(hit => hit.name.includes(text)),
          notes: []
        });
      }
      case 'versions':
        return known(world.versions[name], 'package');
      case 'history':
        return ok({ entries: world.history });
      case 'plans':
        return this.#plan(id, request.body as PlanRequest);
      case 'doctor': {
        const job = this.addJob('doctor', id, { title: 'doctor' });
        this.onJob(job, this);
        return ok(this.job(job.id), 202);
      }
      default:
        return refused(404, 'unknown', 'no such resource');
    }
  }

  #plan(environment: string, request: PlanRequest): ITransportResponse {
    const planned = this.planner(request, environment);
    const job = this.addJob('plan', environment, { title: 'plan' });
    if ('reference' in planned) {
      this.end(job.id, 'failed', { error: planned });
    } else {
      const plan = { ...planned, id: `plan-${this.#count}`, environment };
      this.#plans.set(plan.id, plan);
      this.end(job.id, 'succeeded', { result: { plan: plan.id } });
    }
    return ok(job, 202);
  }

  async #jobRequest(
    request: ITransportRequest,
    { id, part }: { id: string; part: string },
    query: URLSearchParams
  ): Promise<ITransportResponse> {
    if (!id && request.method === 'POST') {
      const { plan = '' } = request.body as { plan?: string };
      const { environment = '', command = '' } = this.#plans.get(plan) ?? {};
      const job = this.addJob('apply', environment, { plan, title: command });
      this.onJob(job, this);
      return ok(this.job(job.id), 202);
    }
    if (!id) {
      const [environment, state] = [query.get('environment'), query.get('state')];
      const jobs = [...this.#jobs.values()]
        .map(({ job }) => job)
        .filter(job => environment === null || job.environment === environment)
        .filter(job => state === null || job.state === state);
      return ok({ jobs });
    }
    if (!this.#jobs.has(id)) {
      return refused(404, 'job-not-found', `there is no job ${id}`);
    }
    if (part === 'cancel') {
      this.end(id, 'cancelled', { error: cancelled });
      return ok(this.job(id), 202);
    }
    return part === 'events' ? this.#events(request, id, query) : ok(this.job(id));
  }

  async #events(
    request: ITransportRequest,
    id: string,
    query: URLSearchParams
  ): Promise<ITransportResponse> {
    const after = Number(query.get('after'));
    const fresh = () => this.#kept(id).events.filter(({ number }) => number > after);
    while (!fresh().length && !this.#kept(id).job.ended && Number(query.get('wait')) > 0) {
      await this.#change(request.signal);
      if (this.down) {
        throw new TypeError('NetworkError when attempting to fetch resource');
      }
    }
    const { job, events } = this.#kept(id);
    return ok({ job, events: fresh(), next: job.last, first: events[0]?.number ?? job.last + 1 });
  }

  /** Until anything happens, the connection goes down, or the request is stopped. */
  #change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        this.#waiting.delete(wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal?.addEventListener('abort', () => {
        this.#waiting.delete(wake);
        reject(signal.reason as Error);
      });
    });
  }

  /** How many requests wait for something to happen. */
  get held(): number {
    return this.#waiting.size;
  }

  /** Take the connection down, for requests that wait too. */
  goDown(): void {
    this.down = true;
    this.#wake();
  }
}

/** A job that was stopped while it waited tells why it did nothing. */
const cancelled = errorOf('cancelled before it began', 'cancelled');

const unplanned: IPlan = {
  id: '',
  environment: '',
  command: '',
  fingerprint: 'f1',
  steps: [],
  satisfied: [],
  warnings: [],
  blockers: [],
  download_size: null,
  undoes: [],
  review: { needed: false, reasons: [] }
};

/** A plan that says this much more than nothing. */
export function planOf(patch: Partial<IPlan>): IPlan {
  return { ...unplanned, ...patch };
}

function ok(document: object, status = 200): ITransportResponse {
  return { status, body: { schema: 1, ...document }, headers: {} };
}

function known(document: object | undefined, what: string): ITransportResponse {
  return document ? ok(document) : refused(404, `${what}-not-found`, `there is no such ${what}`);
}

/** What the server says of something that it can't do. */
export function errorOf(message: string, reference = 'failed'): IError {
  return { reference, message, context: [], note: null, hint: null, detail: null };
}

export function refused(status: number, reference: string, message: string): ITransportResponse {
  const error = errorOf(message, reference);
  return { status, body: { schema: 1, error, message, reason: reference }, headers: {} };
}

function tagged(request: ITransportRequest, document: IPackages | undefined): ITransportResponse {
  if (!document) {
    return refused(404, 'environment-not-found', 'there is no such environment');
  }
  const etag = `"${document.fingerprint}"`;
  if (request.headers?.['If-None-Match'] === etag) {
    return { status: 304, body: null, headers: { etag } };
  }
  const answer = ok(document);
  return { ...answer, headers: { etag } };
}
