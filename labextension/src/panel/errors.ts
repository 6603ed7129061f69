import type { IError } from './documents';

/** Where the reason lies, for those who can do something about it. */
export type ErrorKind =
  /** The server understood and said no; the error says why. */
  | 'refused'
  /** Nothing answers: no network, or no server. */
  | 'unreachable'
  /** A server answers, but not with our extension. */
  | 'absent'
  /** Our extension answers in a format that this panel doesn't know. */
  | 'unknown-format';

/** Anything that a request can end in, other than its answer. */
export class ServiceError extends Error implements IError {
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

/** Anything thrown, in the shape that can be shown. */
export function asError(error: unknown): IError {
  if (error instanceof ServiceError) {
    const { reference, message, context, note, hint, detail } = error;
    return { reference, message, context, note, hint, detail };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { reference: 'unexpected', message, context: [], note: null, hint: null, detail: null };
}
