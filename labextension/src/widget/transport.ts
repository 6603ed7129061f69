import { ServiceError } from '../panel';
import type { ITransportRequest, ITransportResponse } from '../panel';

/** What the panel needs of anywidget's model. */
export interface IWidgetModel {
  get(name: string): unknown;
  on(event: string, callback: (content: unknown) => void): void;
  off(event: string, callback: (content: unknown) => void): void;
  send(content: unknown): void;
}

interface IAnswer {
  id: string;
  status: number;
  body: unknown;
  headers?: Record<string, string>;
}

interface IWaiting {
  resolve: (response: ITransportResponse) => void;
  fail: (error: unknown) => void;
  end: () => void;
}

/** Milliseconds without an answer after which nobody is thought to be there; longer than any wait for events. */
const PATIENCE = 60_000;

/**
 * Requests as messages `{id, method, path, body, headers}`, answers as `{id, status, body, headers}`.
 *
 * A kernel that runs a cell may answer late, one that died never does.
 */
export class CommTransport {
  readonly #model: IWidgetModel;
  readonly #waiting = new Map<string, IWaiting>();
  /** Answers go to every view of the model, in every window: each view knows its own. */
  readonly #prefix = crypto.getRandomValues(new Uint32Array(2)).join('-');
  #count = 0;

  constructor(model: IWidgetModel) {
    this.#model = model;
    model.on('msg:custom', this.#receive);
  }

  send({ method, path, body, headers, signal }: ITransportRequest): Promise<ITransportResponse> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      this.#count += 1;
      const id = `${this.#prefix}-${this.#count}`;
      const fail = (error: unknown) => {
        this.#waiting.get(id)?.end();
        reject(error instanceof Error ? error : new Error(String(error)));
      };
      const onAbort = () => fail(signal?.reason);
      const timer = setTimeout(
        () => fail(new ServiceError('unreachable', { message: 'the kernel does not answer' })),
        PATIENCE
      );
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#waiting.delete(id);
      };
      this.#waiting.set(id, { resolve, fail, end });
      signal?.addEventListener('abort', onAbort);
      try {
        this.#model.send({ id, method, path, body: body ?? null, headers: headers ?? {} });
      } catch (error) {
        fail(error); // the comm is closed
      }
    });
  }

  dispose(): void {
    this.#model.off('msg:custom', this.#receive);
    for (const { fail } of [...this.#waiting.values()]) {
      fail(new DOMException('the panel was closed', 'AbortError'));
    }
  }

  readonly #receive = (content: unknown): void => {
    const { id, status, body, headers = {} } = content as IAnswer;
    const waiting = this.#waiting.get(id);
    if (waiting) {
      waiting.end();
      waiting.resolve({ status, body, headers: lowerCased(headers) });
    }
  };
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  );
}
