/** The panel in jsdom, which lays nothing out: sizes and dialogs are what a browser would say. */
import { act, cleanup, render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, vi } from 'vitest';

import { Panel } from '../../src/panel/components/Panel';
import { PanelModel } from '../../src/panel/model';
import { RestPackageService } from '../../src/panel/service';
import { english } from '../../src/panel/translation';
import { MemoryServer } from '../memory/server';
import { makeWorld } from '../memory/world';

const HEIGHT = 600;

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(HEIGHT);
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(HEIGHT);
  vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(340);
  Element.prototype.scrollTo = function (this: Element, options?: ScrollToOptions | number) {
    this.scrollTop = typeof options === 'object' ? (options.top ?? 0) : 0;
    this.dispatchEvent(new Event('scroll'));
  };
  HTMLDialogElement.prototype.showModal = function (this: HTMLDialogElement) {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function (this: HTMLDialogElement) {
    this.open = false;
  };
});

afterEach(cleanup);

interface IOpen {
  kernel?: string | null;
  prepare?: (server: MemoryServer) => void;
}

/** The panel on its kernel, with everything read. */
export async function open({ kernel = 'kernel-1', prepare }: IOpen = {}) {
  const server = new MemoryServer(makeWorld());
  prepare?.(server);
  const restartKernel = vi.fn<(kernel: string) => Promise<void>>().mockResolvedValue(undefined);
  const model = new PanelModel({
    service: new RestPackageService(server.transport),
    trans: english,
    restartKernel
  });
  render(<Panel model={model} />);
  await act(async () => {
    await model.followKernel(kernel);
    await model.connect();
    await new Promise(resolve => setTimeout(resolve, 20));
  });
  return { server, model, restartKernel, user: userEvent.setup() };
}
