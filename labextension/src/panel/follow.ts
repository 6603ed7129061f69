import type { IJob, IJobEvents } from './documents';
import { isEnded } from './documents';
import { ServiceError } from './errors';
import type { IPackageService } from './service';

export interface IFollow {
  signal: AbortSignal;
  /** Number of the newest event that is known already. */
  after?: number;
  /** Each page of events, in order, none twice. */
  onPage: (page: IJobEvents) => void;
  /** `true` when nothing answers any more, `false` when it does again. */
  onLost: (lost: boolean) => void;
  sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Seconds that one request waits for an event; the server allows 30. */
const WAIT = 25;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

/**
 * Follow a job until it has ended and every event was read.
 *
 * A lost connection is nothing but a pause: the events are numbered, so it goes on where it stopped.
 * Rejects with an `AbortError` when the signal says so, or with the server's refusal (a job that is gone).
 */
export async function followJob(
  service: Pick<IPackageService, 'events'>,
  id: string,
  { signal, after = 0, onPage, onLost, sleep = pause }: IFollow
): Promise<IJob> {
  let known = after;
  let pauseNext = 0;
  for (;;) {
    signal.throwIfAborted();
    let page: IJobEvents;
    try {
      page = await service.events(id, known, pauseNext ? 0 : WAIT, signal);
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'unreachable') {
        throw error;
      }
      onLost(true);
      pauseNext = Math.min(pauseNext * 2 || FIRST_PAUSE, LONGEST_PAUSE);
      await sleep(pauseNext, signal);
      continue;
    }
    if (pauseNext) {
      pauseNext = 0;
      onLost(false);
    }
    const fresh = page.events.filter(event => event.number > known);
    known = fresh.at(-1)?.number ?? known;
    onPage({ ...page, events: fresh });
    if (isEnded(page.job) && (known >= page.job.last || fresh.length === 0)) {
      return page.job;
    }
  }
}

/** Wait; rejects with the signal's reason as soon as it is aborted. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason instanceof Error ? signal.reason : new Error('stopped'));
    };
    signal.addEventListener('abort', stop, { once: true });
  });
}
