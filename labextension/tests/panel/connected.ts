import { PanelModel } from '../../src/panel/model';
import { RestPackageService } from '../../src/panel/service';
import { english } from '../../src/panel/translation';
import type { MemoryServer } from '../memory/server';

/** Until what a test waits for has happened; the whole is bounded by the runner's timeout. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) {
    await new Promise(resolve => setTimeout(resolve, 1));
  }
}

/** A model on a server in memory. */
export function modelOf(
  server: MemoryServer,
  restart: (kernel: string) => Promise<boolean> = () => Promise.resolve(true)
): PanelModel {
  return new PanelModel({
    service: new RestPackageService(server.transport),
    trans: english,
    findRestart: () => restart
  });
}

/** Let it follow a kernel, and wait until it has read what there is to read. */
export async function connect(model: PanelModel, kernel: string | null): Promise<void> {
  await model.followKernel(kernel);
  await model.connect();
  if (kernel !== null) {
    await until(
      () =>
        model.packages.state.loading === 'ready' && model.packages.state.outdatedLoading === 'ready'
    );
  }
}
