/** The panel for any host: make a `PanelModel`, render `Panel` with it, tell the model what happens. */
export { Panel } from './components/Panel';
export * from './documents';
export { ServiceError, asFault, isAbort } from './errors';
export type { ErrorKind } from './errors';
export { followJob } from './follow';
export type { IFollow } from './follow';
export { PanelModel } from './model';
export type { IPanelOptions, Tab } from './model';
export { advance, downloaded, nothingYet } from './progress';
export type { IPackageProgress, IProgress } from './progress';
export { RestPackageService, SCHEMA } from './service';
export type { IPackageService, ITransportRequest, ITransportResponse, Transport } from './service';
export { Store, useStore } from './store';
export { english } from './translation';
export type { ITranslation } from './translation';
