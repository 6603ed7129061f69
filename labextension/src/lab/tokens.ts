import { Token } from '@lumino/coreutils';

import type { PanelModel } from '../panel/model';
import type { Session } from '../panel/model/session';
import type { IPackageService } from '../panel/service';
import type { ServerEvents } from './events';
import type { KernelFollower } from './kernels';

/** What the plugins share. */
export interface IPackageManager {
  readonly service: IPackageService;
  /** The kernel of the notebook or console the user works in. */
  readonly kernels: KernelFollower;
  /** What the server tells. */
  readonly events: ServerEvents;
  /** That kernel, its environment and the one that the panel shows, as the server knows them; the panel's as well. */
  readonly session: Session;
  /** Restart a kernel that is open in this window, after a question; says whether that was done. */
  restart(kernel: string): Promise<boolean>;
}

export const IPackageManager = new Token<IPackageManager>(
  'jupyter-pkgmgr:IPackageManager',
  'The package service of the server, and the kernel of the current notebook or console with its environment.'
);

/** The side panel, for those who want to bring something up in it. */
export interface IPackagePanel {
  readonly model: PanelModel;
  /** Bring it to the front; resolves as soon as it knows its environment, or why there is none. */
  show(): Promise<void>;
}

export const IPackagePanel = new Token<IPackagePanel>(
  'jupyter-pkgmgr:IPackagePanel',
  'The side panel with the packages of the current kernel.'
);

/** Domain of the translations. */
export const DOMAIN = 'jupyter_pkgmgr';

/** The side panel's plugin; its settings are those of all. */
export const PANEL = 'jupyter-pkgmgr:panel';

export const CommandIDs = {
  open: 'jupyter-pkgmgr:open',
  install: 'jupyter-pkgmgr:install',
  undo: 'jupyter-pkgmgr:undo',
  refresh: 'jupyter-pkgmgr:refresh'
} as const;
