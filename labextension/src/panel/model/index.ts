import { find, pendingChange } from '../cart';
import type { IError, IJob } from '../documents';
import type { IExplained } from '../explain';
import { explain } from '../explain';
import type { IPackageService } from '../service';
import { Store } from '../store';
import type { ITranslation } from '../translation';
import { Announcer } from './announcer';
import { Changes } from './changes';
import type { IContext } from './context';
import { Details } from './details';
import { Doctor } from './doctor';
import { History } from './history';
import { Jobs, appliedBy } from './jobs';
import { Packages } from './packages';
import { Search } from './search';
import { Session } from './session';

export type Tab = 'installed' | 'search' | 'changes' | 'history' | 'problems';

/** Restarts a kernel, and says whether that was done. */
export type Restart = (kernelId: string) => Promise<boolean>;

export interface IPanelOptions {
  service: IPackageService;
  /** The page's, where its host has one that it keeps up to date. */
  session?: Session;
  trans: ITranslation;
  /** Finds who can restart kernels, as often as that matters; hosts that never can leave it out. */
  findRestart?: () => Restart | null;
  /** Whether a kernel answers, not a server: where that begins anew, this panel is at its end. */
  inKernel?: boolean;
  /** Loads the page anew. */
  reload?: () => void;
  /** Milliseconds between looks for what others did, for hosts that hear no events; 0 turns it off. */
  poll?: number;
}

interface IPanelState {
  tab: Tab;
  /** Whether anybody looks; nothing is polled otherwise. */
  visible: boolean;
}

/**
 * Everything the panel knows, without a page: one per panel, made by the host, which tells it
 * what kernel is current and what it hears of the server's events.
 */
export class PanelModel extends Store<IPanelState> {
  readonly announcer = new Announcer();
  readonly trans: ITranslation;
  readonly inKernel: boolean;
  readonly reload: () => void;
  readonly session: Session;
  readonly packages: Packages;
  readonly details: Details;
  readonly search: Search;
  readonly jobs: Jobs;
  readonly changes: Changes;
  readonly history: History;
  readonly doctor: Doctor;
  readonly #findRestart: () => Restart | null;
  readonly #isSessionOurs: boolean;
  readonly #ends: (() => void)[] = [];
  #environment: string | null = null;
  /** Whether the connection was there, and is not any more. */
  #isGone = false;
  #isFollowing = false;

  constructor(options: IPanelOptions) {
    super({ tab: 'installed', visible: true });
    const {
      service,
      session,
      trans,
      findRestart = () => null,
      inKernel = false,
      reload = () => window.location.reload(),
      poll = 0
    } = options;
    this.inKernel = inKernel;
    this.reload = reload;
    this.trans = trans;
    this.#findRestart = findRestart;
    const context: IContext = {
      service,
      trans,
      say: (text, urgent) => this.announcer.say(text, urgent),
      noteLost: error => this.session.noteLost(error),
      explain: error => this.explain(error)
    };
    this.#isSessionOurs = session === undefined;
    this.session = session ?? new Session(service);
    this.packages = new Packages(context);
    this.details = new Details(context);
    this.search = new Search(context);
    this.jobs = new Jobs(context, job => this.#ended(job));
    this.changes = new Changes(context, this.jobs);
    this.history = new History(context);
    this.doctor = new Doctor(context, this.jobs);
    if (poll) {
      const timer = setInterval(() => this.#poll(), poll);
      this.#ends.push(() => clearInterval(timer));
    }
  }

  /** An error in words, with what to do next in this host. */
  explain(error: IError): IExplained {
    return explain(error, this.trans, this.inKernel);
  }

  get canRestart(): boolean {
    return this.session.state.kernelId !== null && this.#findRestart() !== null;
  }

  /** Begin: until then nothing is asked for, whatever the session knows. */
  async connect(): Promise<void> {
    if (!this.#isFollowing) {
      this.#isFollowing = true;
      this.#ends.push(this.session.subscribe(() => this.#followSession()));
      this.#followSession();
    }
    if (this.session.state.connection !== 'ready') {
      await this.session.connect();
    }
  }

  /** The host's current kernel; `null` when there is none. */
  followKernel(kernelId: string | null): Promise<void> {
    return this.session.follow(kernelId);
  }

  setVisible(visible: boolean): void {
    this.set({ visible });
  }

  setTab(tab: Tab): void {
    this.set({ tab });
    this.#load(tab);
  }

  /** Look for a package, as typed by the user somewhere else. */
  searchFor(text: string): void {
    this.search.setText(text);
    this.setTab('search');
  }

  /** The details of an installed package, beside the list. */
  show(name: string): void {
    this.setTab('installed');
    void this.details.show(name);
  }

  /** An environment's packages changed, wherever that was done. */
  environmentChanged(environment: string, fingerprint: string | null = null): void {
    if (environment === this.#environment && fingerprint !== this.packages.state.fingerprint) {
      this.#refresh();
    }
  }

  /** A job of an environment changed its state, wherever it was started. */
  jobChanged(environment: string): void {
    if (environment === this.#environment) {
      void this.jobs.refresh();
    }
  }

  /**
   * Remove packages with those that need them, instead of the plan that is shown.
   *
   * What was collected stays one thing: then the others are collected, too.
   */
  async removeTogether(names: readonly string[]): Promise<void> {
    const { changes, packages } = this;
    await changes.back();
    if (!names.some(name => find(changes.state.cart, name)?.action === 'remove')) {
      await changes.request({ verb: 'remove', specs: [...names] }, names.join(', '));
      return;
    }
    for (const name of names) {
      const installed = packages.find(name)?.row.version ?? '';
      changes.add(pendingChange('remove', name, { installed }));
    }
    await changes.applyCart();
  }

  async restartKernel(): Promise<void> {
    const { kernelId } = this.session.state;
    const restart = this.#findRestart();
    if (restart === null || kernelId === null) {
      return;
    }
    this.session.setRestarting(true);
    try {
      if (await restart(kernelId)) {
        await this.session.restarted();
        this.announcer.say(this.trans.__('The kernel has restarted'));
      }
    } finally {
      this.session.setRestarting(false);
    }
  }

  dispose(): void {
    for (const end of this.#ends) {
      end();
    }
    if (this.#isSessionOurs) {
      this.session.dispose();
    }
    const { packages, details, search, jobs, history, doctor } = this;
    for (const part of [packages, details, search, jobs, history, doctor]) {
      part.dispose();
    }
  }

  #followSession(): void {
    const environment = this.session.state.environment?.id ?? null;
    const { connection } = this.session.state;
    const isBack = this.#isGone && connection === 'ready';
    const isLost = !this.#isGone && connection === 'offline';
    this.#isGone = connection !== 'ready' && connection !== 'loading';
    if (isLost) {
      this.announcer.say(this.trans.__('The connection is lost'), true);
    } else if (isBack) {
      this.announcer.say(this.trans.__('Connected again'));
    }
    if (environment !== this.#environment) {
      this.#open(environment);
    } else if (isBack) {
      this.#refresh();
      void this.jobs.refresh();
      this.search.again();
    }
  }

  #open(environment: string | null): void {
    this.#environment = environment;
    this.details.open(environment);
    this.search.open(environment);
    this.history.open(environment);
    this.doctor.open(environment);
    this.changes.open(environment, this.session.state.environment?.name);
    void this.packages.open(environment);
    void this.jobs.open(environment);
    this.#load(this.state.tab);
    const { name } = this.session.state.environment ?? {};
    if (name !== undefined) {
      this.announcer.say(this.trans.__('Environment %1', name));
    }
  }

  /** What a tab shows is read when it is looked at. */
  #load(tab: Tab): void {
    if (tab === 'search') {
      void this.search.load();
    } else if (tab === 'history') {
      void this.history.refresh();
    } else if (tab === 'changes') {
      void this.jobs.refresh();
    }
  }

  #refresh(): void {
    void this.packages.refresh();
    void this.details.refresh();
    void this.doctor.changed(this.state.tab === 'problems');
    if (this.state.tab === 'history' || this.history.state.loading === 'ready') {
      void this.history.refresh();
    }
  }

  #poll(): void {
    if (this.state.visible && this.session.state.connection === 'ready') {
      void this.jobs.refresh();
      void this.packages.refresh();
      void this.session.refresh();
    }
  }

  #ended(job: IJob): void {
    if (job.kind !== 'apply' && job.kind !== 'run') {
      return;
    }
    const { kernelId } = this.session.state;
    const verdict = kernelId === null ? undefined : appliedBy(job)?.verdicts[kernelId];
    if (verdict) {
      this.session.addVerdict(verdict);
    }
    const sentence = this.changes.named(job.environment, this.#sentence(job));
    this.announcer.say(sentence, job.state !== 'succeeded');
    if (job.environment === this.#environment) {
      this.#refresh();
      void this.session.refresh();
    }
  }

  #sentence(job: IJob): string {
    const { trans } = this;
    switch (job.state) {
      case 'succeeded':
        return trans.__('Done: %1', job.title);
      case 'cancelled':
        return trans.__('Cancelled: %1', job.title);
      case 'rolled-back':
        return trans.__('Failed, and taken back: %1', job.title);
      default:
        return trans.__('Failed: %1', job.title);
    }
  }
}
