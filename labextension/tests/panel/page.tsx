/** The panel in jsdom, which lays nothing out: sizes and dialogs are what a browser would say. */
import { act, cleanup, configure, render, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, vi } from 'vitest';

import { Panel } from '../../src/panel/components/Panel';
import { PanelModel } from '../../src/panel/model';
import { RestPackageService } from '../../src/panel/service';
import { english } from '../../src/panel/translation';
import { MemoryServer } from '../memory/server';
import { makeWorld } from '../memory/world';

const HEIGHT = 600;

// Only a limit: what is waited for comes as soon as the machine gets to it.
configure({ asyncUtilTimeout: 30_000 });

beforeEach(() => {
  vi.spyOn(HTMLElement.prototype, 'offsetHeight', 'get').mockReturnValue(HEIGHT);
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(HEIGHT);
  vi.spyOn(HTMLElement.prototype, 'offsetWidth', 'get').mockReturnValue(340);
  Element.prototype.scrollTo = function (this: Element, options?: ScrollToOptions | number) {
    this.scrollTop = typeof options === 'object' ? (options.top ?? 0) : 0;
    setTimeout(() => {
      act(() => void this.dispatchEvent(new Event('scroll')));
    });
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
  canRestart?: boolean;
}

/** The panel on its kernel, with everything read. */
export async function open({ kernel = 'kernel-1', prepare, canRestart = true }: IOpen = {}) {
  const server = new MemoryServer(makeWorld());
  prepare?.(server);
  const restartKernel = vi.fn<(kernel: string) => Promise<boolean>>().mockResolvedValue(true);
  const reload = vi.fn<() => void>();
  const model = new PanelModel({
    service: new RestPackageService(server.transport),
    trans: english,
    findRestart: () => (canRestart ? restartKernel : null),
    reload
  });
  render(<Panel model={model} />);
  await act(async () => {
    await model.followKernel(kernel);
    await model.connect();
  });
  await waitFor(() => {
    const { loading, outdatedLoading } = model.packages.state;
    expect([loading, outdatedLoading]).not.toContain('loading');
  });
  return { server, model, reload, restartKernel, user: userEvent.setup() };
}
