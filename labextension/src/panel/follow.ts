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
  /** Each time nothing answers, with the reason, and `null` when something does again. */
  onLost: (error: ServiceError | null) => void;
  sleep?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/** Seconds that one request waits for an event; the server allows 30. */
const WAIT = 25;
/** Milliseconds after which its connection is thought to be dead: a machine that slept hears of no end. */
const DEAD = (WAIT + 20) * 1000;
/** Milliseconds between looks at a job when nothing answers. */
const LOST = { first: 500, longest: 10_000 };
/** Milliseconds between looks at a job that can't be waited for. */
const LOOK = { first: 100, longest: 2000 };
/**
 * How many requests of this page wait for events at once.
 *
 * A browser opens six connections to a server, for all of its windows: who waits in each of them stops everything else.
 */
const WAITING = 1;
let waiting = 0;

/**
 * Follow a job until it has ended and every event was read.
 *
 * A lost connection is nothing but a pause: the events are numbered, so it goes on where it stopped.
 * Rejects with an `AbortError` when the signal says so, or with the server's refusal (a job that is gone).
 */
export async function followJob(
  service: Events,
  id: string,
  { signal, after = 0, onPage, onLost, sleep = pause }: IFollow
): Promise<IJob> {
  let known = after;
  let isLost = false;
  let isNext = true;
  let idle = 0;
  for (;;) {
    signal.throwIfAborted();
    const waits = isNext && !isLost && waiting < WAITING;
    let page: IJobEvents;
    try {
      page = await (waits
        ? longPoll(service, id, known, signal)
        : look(service, id, known, signal));
    } catch (error) {
      if (!(error instanceof ServiceError) || error.kind !== 'unreachable') {
        throw error;
      }
      idle = isLost ? next(idle, LOST) : LOST.first;
      isLost = true;
      onLost(error);
      await sleep(idle, signal);
      continue;
    }
    if (isLost) {
      isLost = false;
      idle = 0;
      onLost(null);
    }
    const fresh = page.events.filter(event => event.number > known);
    known = fresh.at(-1)?.number ?? known;
    isNext = page.job.position === 0;
    onPage({ ...page, events: fresh });
    if (isEnded(page.job) && (known >= page.job.last || fresh.length === 0)) {
      return page.job;
    }
    if (!waits) {
      idle = fresh.length ? LOOK.first : next(idle, LOOK);
      await sleep(idle, signal);
    }
  }
}

type Events = Pick<IPackageService, 'events'>;

async function longPoll(service: Events, id: string, known: number, signal: AbortSignal) {
  const limit = new AbortController();
  const stop = () => limit.abort(signal.reason);
  const timer = setTimeout(
    () => limit.abort(new DOMException('no answer in time', 'TimeoutError')),
    DEAD
  );
  signal.addEventListener('abort', stop);
  waiting += 1;
  try {
    return await service.events(id, known, WAIT, limit.signal);
  } finally {
    waiting -= 1;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}

function look(service: Events, id: string, known: number, signal: AbortSignal) {
  return service.events(id, known, 0, signal);
}

function next(pause: number, { first, longest }: typeof LOOK): number {
  return Math.min(pause * 2 || first, longest);
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
