import type { IEnvironment, IError, IKernel, ISettings, IVerdict } from '../documents';
import type { IFault } from '../errors';
import { ServiceError, asFault } from '../errors';
import { pause } from '../follow';
import { together } from '../progress';
import type { IPackageService } from '../service';
import { Store } from '../store';
import { Latest } from './latest';

export interface ISessionState {
  connection: 'loading' | 'ready' | 'absent' | 'offline' | 'failed';
  error: IError | null;
  settings: ISettings | null;
  /** The kernel that the host shows; `null` where it shows none. */
  kernelId: string | null;
  kernel: IKernel | null;
  /** Where that kernel lives, whatever is shown. */
  kernelEnvironment: IEnvironment | null;
  /** The environment that the panel shows. */
  environment: IEnvironment | null;
  /** Whether the user chose it, instead of following the kernel. */
  chosen: boolean;
  /** For the chooser; `null` until it was asked for. */
  environments: readonly IEnvironment[] | null;
  choosing: boolean;
  /** What must be said about the kernel, whatever is shown: from the server, and from what was applied here. */
  verdict: IVerdict | null;
  restarting: boolean;
}

/** What a proxy may say of one request, while others are answered. */
const ALONE = [502, 503, 504, 520, 521, 522, 523, 524];
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 15_000;

/** Which server, which kernel, which environment. One for a page: all of a host's parts look at the same. */
export class Session extends Store<ISessionState> {
  readonly #service: IPackageService;
  readonly #connecting = new Latest();
  readonly #retrying = new Latest();
  readonly #checking = new Latest();
  readonly #following = new Latest();
  readonly #listing = new Latest();
  /** What was applied here asks of the kernel; the server's own verdict is in the kernel's document. */
  #applied: IVerdict | null = null;
  #choice: string | null = null;
  /** The kernel whose environment is shown. */
  #seen: string | null = null;
  /** What the server said before a restart that it hasn't seen yet. */
  #outlived: IVerdict | null = null;

  constructor(service: IPackageService) {
    super({
      connection: 'loading',
      error: null,
      settings: null,
      kernelId: null,
      kernel: null,
      kernelEnvironment: null,
      environment: null,
      chosen: false,
      environments: null,
      choosing: false,
      verdict: null,
      restarting: false
    });
    this.#service = service;
  }

  /** Ask the server who it is, then for what is shown. */
  async connect(): Promise<void> {
    await this.#connecting.run(async signal => {
      try {
        const settings = await this.#service.settings(signal);
        this.#retrying.stop();
        this.set({ settings, connection: 'ready', error: null });
      } catch (error) {
        if (!signal.aborted) {
          this.#failed(error);
        }
      }
    });
    if (this.state.connection === 'ready') {
      await this.refresh();
    }
  }

  /** Show the environment of this kernel, and go on following it. */
  async follow(kernelId: string | null): Promise<void> {
    if (kernelId === this.state.kernelId && !this.state.chosen) {
      return;
    }
    this.#choice = null;
    this.#applied = null;
    this.#outlived = null;
    this.set({ kernelId, kernel: null, chosen: false, choosing: false, verdict: null });
    await this.refresh();
  }

  /** Show this environment, whatever the kernel is; its own is followed. */
  async choose(id: string): Promise<void> {
    const chosen = id !== this.state.kernelEnvironment?.id;
    this.#choice = chosen ? id : null;
    this.set({ chosen, choosing: false });
    await this.refresh();
  }

  async followAgain(): Promise<void> {
    this.#choice = null;
    this.set({ chosen: false, choosing: false });
    await this.refresh();
  }

  async openChooser(): Promise<void> {
    this.set({ choosing: true });
    await this.#list();
  }

  closeChooser(): void {
    this.set({ choosing: false });
  }

  /** Read kernel and environment anew. */
  async refresh(): Promise<void> {
    if (this.state.connection !== 'ready') {
      return;
    }
    await this.#following.run(async signal => {
      try {
        await this.#read(signal);
      } catch (error) {
        if (!signal.aborted && !this.#lose(error)) {
          this.noteLost(error);
          await this.#refused(asFault(error));
        }
      }
    });
  }

  /** A verdict that came with the result of a job. */
  addVerdict(verdict: IVerdict): void {
    this.#applied = together(this.#applied, verdict);
    this.set({ verdict: this.#judge(this.state.kernel) });
  }

  /** The kernel began anew: nothing that was loaded is loaded any more, whatever the server still says. */
  async restarted(): Promise<void> {
    this.#applied = null;
    this.#outlived = this.state.kernel?.verdict ?? null;
    this.set({ verdict: null });
    await this.refresh();
  }

  setRestarting(restarting: boolean): void {
    this.set({ restarting });
  }

  /** Nothing answers any more: say so, and try again until something does. */
  lost(error: unknown): void {
    if (this.state.connection === 'offline' || this.state.connection === 'absent') {
      return; // tried again already, or nothing to come back to
    }
    this.set({ connection: 'offline', error: asFault(error) });
    void this.#reconnect();
  }

  /**
   * Take note of an error that may be about the connection; returns whether nothing answered.
   *
   * What didn't come from our server may be about one request alone (a proxy that lost patience with a long one):
   * then something is asked for that is always there.
   */
  noteLost(error: unknown): boolean {
    if (!(error instanceof ServiceError)) {
      return false;
    }
    const { kind, status } = error;
    if (kind === 'unreachable' && !ALONE.includes(status)) {
      this.lost(error);
    } else if (kind !== 'refused' && kind !== 'foreign') {
      void this.#check();
    }
    return kind === 'unreachable';
  }

  dispose(): void {
    this.#connecting.stop();
    this.#retrying.stop();
    this.#checking.stop();
    this.#following.stop();
    this.#listing.stop();
  }

  /** Without its kernel, the environment is still there: what is shown of it stays. */
  async #refused(fault: IFault): Promise<void> {
    const { kernelId, environment } = this.state;
    const isEnded = isGone(fault) && kernelId === this.#seen;
    this.#applied = null;
    this.set({
      kernel: null,
      verdict: null,
      error: fault,
      environment: isEnded ? environment : null
    });
    await this.#list();
  }

  /** The same of what the session itself asked for: without it there is nothing to show. */
  #lose(error: unknown): boolean {
    const isLost = error instanceof ServiceError && error.kind === 'unreachable';
    if (isLost) {
      this.lost(error);
    }
    return isLost;
  }

  /** Find out whether the server is there at all. */
  async #check(): Promise<void> {
    if (this.state.connection !== 'ready') {
      return;
    }
    await this.#checking.run(async signal => {
      try {
        await this.#service.settings(signal);
      } catch (error) {
        if (!signal.aborted) {
          this.#failed(error);
        }
      }
    });
  }

  async #reconnect(): Promise<void> {
    await this.#retrying.run(async signal => {
      for (let wait = FIRST_PAUSE; ; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
        await pause(wait, signal);
        try {
          const settings = await this.#service.settings(signal);
          this.set({ settings, connection: 'ready', error: null });
          return;
        } catch (error) {
          signal.throwIfAborted();
          if (!(error instanceof ServiceError) || error.kind !== 'unreachable') {
            this.#failed(error);
            return;
          }
        }
      }
    });
    await this.refresh();
  }

  #failed(error: unknown): void {
    if (error instanceof ServiceError && error.kind === 'unreachable') {
      this.lost(error);
      return;
    }
    this.#retrying.stop();
    if (error instanceof ServiceError && error.kind === 'absent') {
      this.set({ connection: 'absent', error: asFault(error) });
    } else {
      this.set({ connection: 'failed', error: asFault(error) });
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const { kernelId } = this.state;
    const kernel = kernelId === null ? null : await this.#readKernel(kernelId, signal);
    const find = async (id: string | null) =>
      id === null ? null : this.#service.environment(id, signal);
    const home = find(kernel?.environment ?? null);
    const [kernelEnvironment, environment] = await Promise.all([
      home,
      this.#choice === null ? home : find(this.#choice)
    ]);
    signal.throwIfAborted();
    const verdict = this.#judge(kernel);
    this.#seen = kernelId;
    this.set({ kernel, kernelEnvironment, environment, error: null, verdict });
    if (environment === null || this.state.choosing) {
      await this.#list();
    }
  }

  /** One that is gone doesn't keep anybody from an environment that was chosen. */
  async #readKernel(id: string, signal: AbortSignal): Promise<IKernel | null> {
    try {
      return await this.#service.kernel(id, signal);
    } catch (error) {
      if (this.#choice !== null && isGone(error)) {
        return null;
      }
      throw error;
    }
  }

  #judge(kernel: IKernel | null): IVerdict | null {
    const said = kernel?.verdict ?? null;
    if (JSON.stringify(said) !== JSON.stringify(this.#outlived)) {
      this.#outlived = null;
    }
    return this.#outlived ? this.#applied : together(said, this.#applied);
  }

  async #list(): Promise<void> {
    await this.#listing.run(async signal => {
      try {
        this.set({ environments: await this.#service.environments(signal) });
      } catch (error) {
        if (!signal.aborted && !this.#lose(error)) {
          this.set({ environments: [], error: asFault(error) });
        }
      }
    });
  }
}

/** Whether the server says that it has no such kernel. */
function isGone(error: unknown): boolean {
  return (error as Partial<IFault> | null)?.reference === 'kernel-not-found';
}
