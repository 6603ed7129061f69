import type {
  Ecosystem,
  IDetails,
  IEntry,
  IEnvironment,
  IError,
  IJob,
  IJobEvents,
  IKernel,
  INames,
  IOutdated,
  IPackages,
  IPlan,
  ISearchHit,
  ISettings,
  IVersions,
  JobState,
  PlanRequest
} from './documents';
import type { ErrorKind } from './errors';
import { ServiceError, isAbort } from './errors';

/** The version of the documents that this panel reads. */
export const SCHEMA = 1;

export interface ITransportRequest {
  method: 'GET' | 'POST';
  /** Below `<base_url>pkgmgr/`, without a leading slash. */
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

export interface ITransportResponse {
  status: number;
  /** Parsed JSON; `null` where there is none. */
  body: unknown;
  /** Names in lower case. */
  headers: Record<string, string>;
}

/**
 * What each host brings. Resolves with whatever status there is, rejects when nothing answers,
 * and with an `AbortError` when the signal says so.
 */
export type Transport = (request: ITransportRequest) => Promise<ITransportResponse>;

/** One method for each row of the REST API. Every method rejects with a `ServiceError` or an `AbortError`. */
export interface IPackageService {
  settings(signal?: AbortSignal): Promise<ISettings>;
  kernels(signal?: AbortSignal): Promise<IKernel[]>;
  kernel(id: string, signal?: AbortSignal): Promise<IKernel>;
  environments(signal?: AbortSignal): Promise<IEnvironment[]>;
  environment(id: string, signal?: AbortSignal): Promise<IEnvironment>;
  /** The same object as before when nothing changed. */
  packages(environment: string, signal?: AbortSignal): Promise<IPackages>;
  details(environment: string, name: string, signal?: AbortSignal): Promise<IDetails>;
  outdated(
    environment: string,
    signal?: AbortSignal
  ): Promise<{ outdated: Record<string, IOutdated>; notes: string[] }>;
  search(
    environment: string,
    query: string,
    limit: number,
    signal?: AbortSignal
  ): Promise<{ hits: ISearchHit[]; notes: string[] }>;
  /** Everything that can be installed by name; the same object as before when nothing changed. */
  names(environment: string, signal?: AbortSignal): Promise<INames>;
  versions(
    environment: string,
    name: string,
    ecosystem: Ecosystem | null,
    signal?: AbortSignal
  ): Promise<IVersions>;
  makePlan(environment: string, request: PlanRequest, signal?: AbortSignal): Promise<IJob>;
  plan(id: string, signal?: AbortSignal): Promise<IPlan>;
  apply(plan: string, signal?: AbortSignal): Promise<IJob>;
  jobs(filter: { environment?: string; state?: JobState }, signal?: AbortSignal): Promise<IJob[]>;
  job(id: string, signal?: AbortSignal): Promise<IJob>;
  cancel(id: string, signal?: AbortSignal): Promise<IJob>;
  /** Events after a number; waits so many seconds for the first one. */
  events(id: string, after: number, wait: number, signal?: AbortSignal): Promise<IJobEvents>;
  history(environment: string, signal?: AbortSignal): Promise<IEntry[]>;
  doctor(environment: string, files: boolean, signal?: AbortSignal): Promise<IJob>;
}

/** How many tagged documents are kept to be asked for by `If-None-Match`. */
const KEPT = 8;

export class RestPackageService implements IPackageService {
  readonly #transport: Transport;
  readonly #kept = new Map<string, { etag: string; body: unknown }>();

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  settings(signal?: AbortSignal) {
    return this.#get<ISettings>('settings', signal);
  }

  async kernels(signal?: AbortSignal) {
    return (await this.#get<{ kernels: IKernel[] }>('kernels', signal)).kernels;
  }

  kernel(id: string, signal?: AbortSignal) {
    return this.#get<IKernel>(`kernels/${segment(id)}`, signal);
  }

  async environments(signal?: AbortSignal) {
    return (await this.#get<{ environments: IEnvironment[] }>('environments', signal)).environments;
  }

  environment(id: string, signal?: AbortSignal) {
    return this.#get<IEnvironment>(`environments/${segment(id)}`, signal);
  }

  packages(environment: string, signal?: AbortSignal) {
    return this.#get<IPackages>(`environments/${segment(environment)}/packages`, signal);
  }

  details(environment: string, name: string, signal?: AbortSignal) {
    const path = `environments/${segment(environment)}/packages/${segment(name)}`;
    return this.#get<IDetails>(path, signal);
  }

  outdated(environment: string, signal?: AbortSignal) {
    const path = `environments/${segment(environment)}/outdated`;
    return this.#get<{ outdated: Record<string, IOutdated>; notes: string[] }>(path, signal);
  }

  search(environment: string, query: string, limit: number, signal?: AbortSignal) {
    const path = `environments/${segment(environment)}/search${parameters({ q: query, limit })}`;
    return this.#get<{ hits: ISearchHit[]; notes: string[] }>(path, signal);
  }

  names(environment: string, signal?: AbortSignal) {
    return this.#get<INames>(`environments/${segment(environment)}/names`, signal);
  }

  versions(environment: string, name: string, ecosystem: Ecosystem | null, signal?: AbortSignal) {
    const base = `environments/${segment(environment)}/versions/${segment(name)}`;
    return this.#get<IVersions>(`${base}${parameters({ ecosystem })}`, signal);
  }

  makePlan(environment: string, request: PlanRequest, signal?: AbortSignal) {
    return this.#post<IJob>(`environments/${segment(environment)}/plans`, request, signal);
  }

  plan(id: string, signal?: AbortSignal) {
    return this.#get<IPlan>(`plans/${segment(id)}`, signal);
  }

  apply(plan: string, signal?: AbortSignal) {
    return this.#post<IJob>('jobs', { plan }, signal);
  }

  async jobs(filter: { environment?: string; state?: JobState }, signal?: AbortSignal) {
    return (await this.#get<{ jobs: IJob[] }>(`jobs${parameters(filter)}`, signal)).jobs;
  }

  job(id: string, signal?: AbortSignal) {
    return this.#get<IJob>(`jobs/${segment(id)}`, signal);
  }

  cancel(id: string, signal?: AbortSignal) {
    return this.#post<IJob>(`jobs/${segment(id)}/cancel`, {}, signal);
  }

  events(id: string, after: number, wait: number, signal?: AbortSignal) {
    const path = `jobs/${segment(id)}/events${parameters({ after, wait })}`;
    return this.#get<IJobEvents>(path, signal);
  }

  async history(environment: string, signal?: AbortSignal) {
    const path = `environments/${segment(environment)}/history`;
    return (await this.#get<{ entries: IEntry[] }>(path, signal)).entries;
  }

  doctor(environment: string, files: boolean, signal?: AbortSignal) {
    return this.#post<IJob>(`environments/${segment(environment)}/doctor`, { files }, signal);
  }

  async #get<T>(path: string, signal?: AbortSignal): Promise<T> {
    const kept = this.#kept.get(path);
    const headers = kept && { 'If-None-Match': kept.etag };
    const response = await this.#send({ method: 'GET', path, headers, signal });
    if (response.status === 304 && kept) {
      return kept.body as T;
    }
    const body = read(response) as T;
    const etag = response.headers.etag;
    if (etag) {
      this.#keep(path, etag, body);
    }
    return body;
  }

  async #post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
    return read(await this.#send({ method: 'POST', path, body, signal })) as T;
  }

  async #send(request: ITransportRequest): Promise<ITransportResponse> {
    try {
      return await this.#transport(request);
    } catch (error) {
      if (isAbort(error) || error instanceof ServiceError) {
        throw error;
      }
      const detail = error instanceof Error ? error.message : String(error);
      throw new ServiceError('unreachable', { message: 'the server does not answer', detail });
    }
  }

  #keep(path: string, etag: string, body: unknown): void {
    this.#kept.delete(path);
    this.#kept.set(path, { etag, body });
    const oldest = this.#kept.keys().next();
    if (this.#kept.size > KEPT && !oldest.done) {
      this.#kept.delete(oldest.value);
    }
  }
}

function segment(text: string): string {
  return encodeURIComponent(text);
}

function parameters(values: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== null && value !== undefined) {
      query.set(name, String(value));
    }
  }
  const text = query.toString();
  return text && `?${text}`;
}

/**
 * No connection; JupyterHub, whose server of this user has stopped (424); proxies that reach no server, or wait for its
 * answer in vain (52x: Cloudflare's).
 */
const NOBODY = [0, 424, 502, 503, 504, 520, 521, 522, 523, 524];
/** Whoever answers doesn't know who asks. */
const STRANGER = [401, 403, 511];

interface IBody {
  schema?: number;
  error?: Partial<IError> & { message: string };
  message?: string;
}

/** The document in a response; throws what the response says instead. */
function read(response: ITransportResponse): unknown {
  const { status } = response;
  const body = (typeof response.body === 'object' ? response.body : null) as IBody | null;
  if (body?.schema === SCHEMA && status < 300) {
    return body; // a job has an error of its own
  }
  if (body?.schema === SCHEMA && body.error) {
    throw new ServiceError('refused', body.error, status);
  }
  if (typeof body?.schema === 'number' && body.schema !== SCHEMA) {
    const message = `documents of version ${body.schema} came, version ${SCHEMA} is understood`;
    throw new ServiceError('unknown-format', { message }, status);
  }
  const message = body?.message ?? `status ${status}`;
  throw new ServiceError(kindOf(status), { message }, status);
}

/** What a response without a document of ours means. */
function kindOf(status: number): ErrorKind {
  if (NOBODY.includes(status)) {
    return 'unreachable';
  }
  // A page instead of an answer is that of a login, to which the request was led.
  if (status < 300 || STRANGER.includes(status)) {
    return 'stranger';
  }
  return status === 404 ? 'absent' : 'foreign';
}
