import type { IError } from './documents';

/** Where the reason lies, for those who can do something about it. */
export type ErrorKind =
  /** The server understood and said no; the error says why. */
  | 'refused'
  /** Nothing answers: no network, or no server. */
  | 'unreachable'
  /** Whoever answers wants a login first. */
  | 'stranger'
  /** A server answers, but not with our extension. */
  | 'absent'
  /** Our extension answers in a format that this panel doesn't know. */
  | 'unknown-format'
  /** Something on the way answered, and not with a document of ours. */
  | 'foreign'
  /** The panel itself stumbled. */
  | 'unexpected';

/** An error as it is kept: what there is to show, and where it came from. */
export interface IFault extends IError {
  kind: ErrorKind;
  /** Of the HTTP response; 0 where there was none. */
  status: number;
}

/** Anything that a request can end in, other than its answer. */
export class ServiceError extends Error implements IFault {
  readonly kind: ErrorKind;
  readonly status: number;
  readonly reference: string;
  readonly context: string[];
  readonly note: string | null;
  readonly hint: string | null;
  readonly detail: string | null;

  constructor(kind: ErrorKind, error: Partial<IError> & { message: string }, status = 0) {
    super(error.message);
    this.name = 'ServiceError';
    this.kind = kind;
    this.status = status;
    this.reference = error.reference ?? kind;
    this.context = error.context ?? [];
    this.note = error.note ?? null;
    this.hint = error.hint ?? null;
    this.detail = error.detail ?? null;
  }
}

/** Whether somebody stopped waiting on purpose, which is nothing to report. */
export function isAbort(error: unknown): boolean {
  return (error as { name?: unknown } | null)?.name === 'AbortError';
}

/** Anything thrown, in the shape that can be kept. */
export function asFault(error: unknown): IFault {
  if (error instanceof ServiceError) {
    const { kind, status, reference, message, context, note, hint, detail } = error;
    return { kind, status, reference, message, context, note, hint, detail };
  }
  const message = error instanceof Error ? error.message : String(error);
  const kind = 'unexpected';
  return {
    kind,
    status: 0,
    reference: kind,
    message,
    context: [],
    note: null,
    hint: null,
    detail: null
  };
}
