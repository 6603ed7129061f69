import { Token } from '@lumino/coreutils';

import type { IPackageService } from '../panel/service';
import type { KernelFollower } from './kernels';

/** What the plugins share: the service behind the REST API, and the kernel that the user works with. */
export interface IPackageManager {
  readonly service: IPackageService;
  readonly kernels: KernelFollower;
}

export const IPackageManager = new Token<IPackageManager>(
  'jupyter-pkgmgr:IPackageManager',
  'The package service of the server, and the kernel of the current notebook or console.'
);

/** Domain of the translations. */
export const DOMAIN = 'jupyter_pkgmgr';
