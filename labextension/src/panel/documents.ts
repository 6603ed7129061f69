/**
 * The JSON documents of the REST API, as the server's OpenAPI file describes them.
 *
 * Texts of packages (names, summaries, reasons, messages) are untrusted: they are shown as text, never as markup.
 */

export type Ecosystem = 'conda' | 'pypi';

export interface IOrigin {
  kind: 'channel' | 'index' | 'path' | 'editable' | 'vcs' | 'url' | 'unknown';
  location: string;
}

export interface IPolicy {
  kind: 'read-only' | 'frozen' | 'externally-managed' | 'base' | 'server';
  message: string;
}

export interface IEnvironment {
  id: string;
  name: string;
  kind: 'conda' | 'venv' | 'system';
  owner: string;
  prefix: string;
  language: string;
  python: { version: string; executable: string; implementation: string } | null;
  policies: IPolicy[];
  evidence: { source: string; detail: string }[];
  /** Ids of running kernels. */
  kernels: string[];
  kernelspecs: string[];
  /** Only in the document of one environment: name, and value with its source. */
  settings?: [string, string][];
}

export type VerdictLevel = 'none' | 'recommended' | 'required';

export interface IVerdict {
  level: VerdictLevel;
  modules: string[];
  text: string;
}

export interface IKernel {
  id: string;
  name: string;
  display_name: string;
  language: string;
  environment: string | null;
  remote: boolean;
  attached: 'attached' | 'pending' | 'off' | 'unsupported' | 'remote' | 'failed';
  /** One sentence; empty when attached. */
  why: string;
  mismatch: string | null;
  verdict: IVerdict | null;
}

export type PackageState = 'user-site' | 'outside' | 'shadowed' | 'duplicate' | 'pip-clobbered';

export interface IPackageRow {
  name: string;
  version: string;
  ecosystem: Ecosystem;
  build: string;
  origin: IOrigin;
  source: string;
  requested: boolean | null;
  states: PackageState[];
  summary: string;
  size: number | null;
}

export interface IProblem {
  reference: string;
  message: string;
  packages: string[];
  path: string | null;
  hint: string | null;
  /** What mends it when it is planned, if anything does. */
  command: string | null;
}

export interface IPackages {
  fingerprint: string;
  packages: IPackageRow[];
  problems: IProblem[];
  /** What is to be said of the list: somebody is changing the environment, say. */
  notes: string[];
}

export interface IDetails {
  name: string;
  installed: IPackageRow[];
  source: string;
  versions: string[];
  summary: string;
  license: string;
  home: string;
  imports: string[];
  depends: string[];
  needed_by: string[];
  files: number;
  size: number | null;
  notes: string[];
}

export interface IOutdated {
  ecosystem: Ecosystem;
  installed: string;
  newest: string;
}

export interface ISearchHit {
  name: string;
  version: string;
  ecosystem: Ecosystem;
  origin: string;
  summary: string;
  installed: string;
}

export interface INames {
  conda: string[];
  pypi: string[];
  notes: string[];
}

export interface IVersion {
  version: string;
  origins: string[];
  yanked: boolean;
  requires_python?: string;
}

export interface IVersions {
  name: string;
  ecosystem: Ecosystem;
  source: string;
  versions: IVersion[];
}

export interface INotice {
  reference: string;
  message: string;
  hint: string | null;
  packages: string[];
  /** Who decided that, or why, where it isn't obvious. */
  note?: string | null;
}

/** One package inside a plan; a plan may tell more of it. */
export interface IPackage {
  name: string;
  version: string;
  ecosystem: Ecosystem;
  build: string;
  origin: IOrigin;
  /** The origin as one reads it; after a change where it comes from. */
  source: string;
  size?: number | null;
}

export type Action = 'install' | 'remove' | 'upgrade' | 'downgrade' | 'reinstall';

export interface IChange {
  action: Action;
  before: IPackage | null;
  after: IPackage | null;
  requested: boolean;
  reason: string;
}

export interface IStep {
  engine: string;
  engine_version: string;
  ecosystem: Ecosystem;
  reason: string;
  changes: IChange[];
}

export interface IPlan {
  id: string;
  environment: string;
  command: string;
  fingerprint: string;
  steps: IStep[];
  satisfied: IPackage[];
  warnings: INotice[];
  blockers: INotice[];
  download_size: number | null;
  undoes: string[];
  /** Whether more happens than was asked for, or something is at stake. */
  review: { needed: boolean; reasons: string[] };
}

/** An error as every face receives it. */
export interface IError {
  reference: string;
  message: string;
  context: string[];
  note: string | null;
  hint: string | null;
  detail: string | null;
}

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'rolled-back';
export type JobKind = 'plan' | 'apply' | 'doctor' | 'run';

export interface IJob {
  id: string;
  kind: JobKind;
  environment: string;
  title: string;
  state: JobState;
  created: string;
  started: string | null;
  ended: string | null;
  user: string;
  face: string;
  kernel: string | null;
  plan: string | null;
  /** Place in the queue; 0 when it runs. */
  position: number;
  /** Number of the newest event. */
  last: number;
  error: IError | null;
  result: unknown;
}

/** Result of a job of kind `apply`. */
export interface IApplied {
  transaction: string;
  seconds: number;
  fingerprint: string;
  changes: IChange[];
  warnings: INotice[];
  verdicts: Record<string, IVerdict>;
}

export type Phase = 'solve' | 'download' | 'build' | 'unlink' | 'link' | 'verify';

export interface IEvent {
  kind: 'step' | 'phase' | 'package' | 'waiting' | 'message' | 'output';
  step: number | null;
  phase: Phase | null;
  state: string;
  package: string;
  done: number | null;
  total: number | null;
  level: string;
  message: string;
}

export type JobEvent = { number: number; time: string } & (
  | { type: 'state'; state: JobState }
  | { type: 'event'; event: IEvent }
  | { type: 'display'; key: string; since?: number; data: Record<string, unknown> }
  | { type: 'result'; result: unknown }
  | { type: 'error'; error: IError & { text?: string; html?: string } }
);

export interface IJobEvents {
  job: IJob;
  events: JobEvent[];
  next: number;
  /** Number of the oldest event that is still kept. */
  first: number;
}

export interface IEntry {
  id: string;
  started: string;
  seconds: number;
  user: string;
  host: string;
  face: string;
  command: string;
  changes: IChange[];
  result: 'committed' | 'rolled-back' | 'failed' | 'cancelled' | 'recovered' | 'unreadable';
  message: string;
  undoes: string[];
  has_snapshot: boolean;
  verdict: IVerdict | null;
}

export interface ISettings {
  version: string;
  server: { environment: string | null };
  policy: Record<string, unknown>;
  attach: unknown;
  engines: { name: string; version: string }[];
  limits: Record<string, number>;
}

/** What to plan: a command as typed after `%pkg`, or a verb with its specs; or several of them as one plan. */
export type PlanRequest = OneRequest | { requests: OneRequest[] };

export type OneRequest =
  | { command: string }
  | { verb: 'install' | 'remove' | 'update'; specs: string[]; options?: object };

const ENDED: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'cancelled', 'rolled-back']);

export function isEnded(job: { state: JobState }): boolean {
  return ENDED.has(job.state);
}
