import type { IError } from '../documents';
import type { IExplained } from '../explain';
import type { IPackageService } from '../service';
import type { ITranslation } from '../translation';

/** What each part of the model needs of the whole. */
export interface IContext {
  readonly service: IPackageService;
  readonly trans: ITranslation;
  /** Tell it to those who don't see the screen. */
  say(text: string, urgent?: boolean): void;
  /** Take note of an error that may be about the connection; returns whether nothing answers. */
  noteLost(error: unknown): boolean;
  /** What to say of an error. */
  explain(error: IError): IExplained;
}

/** Something that is read from the server. */
export type Loadable = 'none' | 'loading' | 'ready' | 'failed';
