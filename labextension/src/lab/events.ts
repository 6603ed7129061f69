import type { Event } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';

const BASE = 'https://jupyter-pkgmgr.readthedocs.io/events';

export interface IEnvironmentEvent {
  environment: string;
  fingerprint: string | null;
}

export interface IJobEvent {
  job: string;
  environment: string;
  kind: string;
  state: string;
}

export interface IKernelEvent {
  kernel: string;
}

/** What the server tells all windows by Jupyter Events, sorted. */
export class ServerEvents {
  constructor(stream: Pick<ISignal<unknown, Event.Emission>, 'connect'>) {
    stream.connect(this._onEvent, this);
  }

  /** Packages of an environment changed, whoever did it. */
  get environmentChanged(): ISignal<this, IEnvironmentEvent> {
    return this._environmentChanged;
  }

  /** A job changed its state. */
  get jobChanged(): ISignal<this, IJobEvent> {
    return this._jobChanged;
  }

  /** What is known of a kernel changed. */
  get kernelChanged(): ISignal<this, IKernelEvent> {
    return this._kernelChanged;
  }

  private _onEvent(_: unknown, event: Event.Emission): void {
    const text = (name: string): string => (typeof event[name] === 'string' ? event[name] : '');
    const environment = text('environment');
    switch (event.schema_id) {
      case `${BASE}/environment/v1`:
        this._environmentChanged.emit({ environment, fingerprint: text('fingerprint') || null });
        break;
      case `${BASE}/job/v1`:
        this._jobChanged.emit({
          job: text('job'),
          environment,
          kind: text('kind'),
          state: text('state')
        });
        break;
      case `${BASE}/kernel/v1`:
        this._kernelChanged.emit({ kernel: text('kernel') });
        break;
    }
  }

  private _environmentChanged = new Signal<this, IEnvironmentEvent>(this);
  private _jobChanged = new Signal<this, IJobEvent>(this);
  private _kernelChanged = new Signal<this, IKernelEvent>(this);
}
