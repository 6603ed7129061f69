/** What `%pkg` shows, as data: the documents of `application/vnd.jupyter-pkgmgr+json`. */

import type { Action, VerdictLevel } from '../../panel/documents';
import { ACTIONS } from '../../panel/format';

export const MIME_TYPE = 'application/vnd.jupyter-pkgmgr+json';
const SCHEMA = 1;

export interface IShownChange {
  action: Action;
  name: string;
  before: string;
  after: string;
  source: string;
  reason: string;
  requested: boolean;
}

export interface IShownNotice {
  message: string;
  note: string;
  hint: string;
}

export interface IShownStep {
  engine: string;
  reason: string;
  changes: IShownChange[];
}

interface IPartBase {
  /** The kernel the command ran in. */
  kernel: string | null;
  /** The server's job, if the server did it. */
  job: string | null;
  /** What there is to say, in the words of the text form. */
  text: string;
}

export interface IPlanPart extends IPartBase {
  part: 'plan';
  environment: string;
  /** Of an undo: what is taken back, a line each. */
  takenBack: string[];
  steps: IShownStep[];
  warnings: IShownNotice[];
  blockers: IShownNotice[];
  downloadSize: number | null;
}

export interface IProgressPart extends IPartBase {
  part: 'progress';
  title: string;
  state: string;
  done: number | null;
  total: number | null;
}

export interface IResultPart extends IPartBase {
  part: 'result';
}

export interface IVerdictPart extends IPartBase {
  part: 'verdict';
  level: VerdictLevel;
  modules: string[];
}

export interface IHintPart extends IPartBase {
  part: 'hint';
  module: string;
  package: string;
  command: string;
}

export interface IMessagePart extends IPartBase {
  part: 'message';
  level: string;
}

export interface IErrorPart extends IPartBase {
  part: 'error';
  message: string;
  context: string[];
  note: string;
  hint: string;
  detail: string;
}

export type Part =
  IPlanPart | IProgressPart | IResultPart | IVerdictPart | IHintPart | IMessagePart | IErrorPart;

type Json = Record<string, unknown>;

/**
 * Read a document; null for what isn't one of ours or of a later schema: the text form is shown then.
 *
 * A notebook may come from anywhere, so nothing about the document's shape is taken for granted.
 * `plain` is the text form beside it, for documents that bring no words of their own.
 */
export function readPart(value: unknown, plain = ''): Part | null {
  const data = object(value);
  if (data.schema !== SCHEMA) {
    return null;
  }
  const base = {
    kernel: text(data.kernel) || null,
    job: text(data.job) || null,
    text: text(data.text) || text(object(data.verdict).text) || plain
  };
  switch (data.part) {
    case 'plan':
      return { ...base, part: 'plan', ...readPlan(object(data.plan)) };
    case 'progress':
      return {
        ...base,
        part: 'progress',
        title: text(data.title),
        state: text(data.state),
        done: number(data.done),
        total: number(data.total)
      };
    case 'result':
      return { ...base, part: 'result' };
    case 'verdict':
      return { ...base, part: 'verdict', ...readVerdict(data) };
    case 'hint':
      return {
        ...base,
        part: 'hint',
        module: text(data.module),
        package: text(data.package),
        command: text(data.command)
      };
    case 'message':
      return { ...base, part: 'message', level: text(data.level) };
    case 'error':
      return { ...base, part: 'error', ...readError({ ...data, ...object(data.error) }) };
    default:
      return null;
  }
}

/** Whether a progress that is in this state can still be stopped. */
export function isRunning(state: string): boolean {
  return ['', 'queued', 'started', 'running'].includes(state);
}

function readPlan(plan: Json): Omit<IPlanPart, keyof IPartBase | 'part'> {
  const environment = plan.environment;
  return {
    environment: typeof environment === 'string' ? environment : text(object(environment).name),
    takenBack: list(plan.taken_back).map(text),
    steps: list(plan.steps).map(readStep),
    warnings: list(plan.warnings).map(readNotice),
    blockers: list(plan.blockers).map(readNotice),
    downloadSize: number(plan.download_size)
  };
}

/** A step of a plan, as the REST API has it or as the model has it (an engine's plan within). */
function readStep(value: unknown): IShownStep {
  const step = object(value);
  const plan = { ...object(step.plan), ...step };
  const engine = [text(plan.engine), text(plan.engine_version)].filter(Boolean).join(' ');
  return {
    engine: [text(plan.ecosystem), engine].filter(Boolean).join(' · '),
    reason: text(step.reason),
    changes: list(plan.changes).map(readChange)
  };
}

function readChange(value: unknown): IShownChange {
  const change = object(value);
  const [before, after] = [object(change.before), object(change.after)];
  const subject = change.after ? after : before;
  return {
    action: ACTIONS.find(action => action === change.action) ?? 'install',
    name: text(subject.name),
    before: text(before.version),
    after: text(after.version),
    source: text(subject.source),
    reason: text(change.reason),
    requested: change.requested === true
  };
}

function readNotice(value: unknown): IShownNotice {
  const notice = object(value);
  return { message: text(notice.message), note: text(notice.note), hint: text(notice.hint) };
}

const LEVELS: readonly VerdictLevel[] = ['none', 'recommended', 'required'];

function readVerdict(data: Json): Pick<IVerdictPart, 'level' | 'modules'> {
  const verdict = { ...data, ...object(data.verdict) };
  return {
    level: LEVELS.find(level => level === verdict.level) ?? 'none',
    modules: list(verdict.modules).map(text)
  };
}

function readError(error: Json): Omit<IErrorPart, keyof IPartBase | 'part'> {
  return {
    message: text(error.message),
    context: list(error.context).map(text),
    note: text(error.note),
    hint: text(error.hint),
    detail: text(error.detail)
  };
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
