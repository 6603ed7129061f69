/**
 * JupyterLab around the plugins, as far as they know it: its own commands, trackers, connection and signals, in front
 * of a server in memory. What shows notebooks isn't there: none of it runs in jsdom.
 */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ISessionContextDialogs } from '@jupyterlab/apputils';
import { WidgetTracker } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Event } from '@jupyterlab/services';
import { ServerConnection } from '@jupyterlab/services';
import { CommandRegistry } from '@lumino/commands';
import { Signal } from '@lumino/signaling';
import { StackedPanel, Widget } from '@lumino/widgets';
import { vi } from 'vitest';

import { manager as managerPlugin } from '../../src/lab/manager';
import type { IPackageManager } from '../../src/lab/tokens';
import { MemoryServer } from '../memory/server';
import { makeWorld } from '../memory/world';

const BASE = 'http://localhost:8888/user/ada/';

/** A notebook as far as its kernel goes. */
export class Notebook extends Widget {
  readonly sessionContext;

  constructor(label: string, kernel: string) {
    super();
    this.title.label = label;
    this.sessionContext = {
      session: { kernel: { id: kernel } },
      kernelChanged: new Signal<object, void>(this),
      statusChanged: new Signal<object, string>(this)
    };
  }

  /** It has another kernel now. */
  change(kernel: string): void {
    this.sessionContext.session.kernel.id = kernel;
    this.sessionContext.kernelChanged.emit();
  }
}

/** Fetches from the server in memory, as a browser would over HTTP; JupyterLab's number against caches is left out. */
function fetchFrom(server: MemoryServer): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const { pathname, search } = new URL(request.url);
    const text = await request.text();
    const answer = await server.transport({
      method: request.method as 'GET' | 'POST',
      path: (pathname + search.replace(/[?&]\d+$/, '')).replace('/user/ada/pkgmgr/', ''),
      body: text ? (JSON.parse(text) as unknown) : undefined,
      headers: { 'If-None-Match': request.headers.get('If-None-Match') ?? '' },
      signal: init?.signal ?? undefined
    });
    const { status, headers } = answer;
    const body = status === 304 ? null : JSON.stringify(answer.body);
    return new Response(body, { status, headers });
  };
}

/** Everything that the plugins are given, with the manager's plugin activated, and one notebook on `kernel-1`. */
export function makeHouse(prepare: (server: MemoryServer) => void = () => undefined) {
  const server = new MemoryServer(makeWorld());
  prepare(server);
  const stream = new Signal<object, Event.Emission>({});
  const shelf = new StackedPanel();
  let restored: () => void = () => undefined;
  const app = {
    commands: new CommandRegistry(),
    restored: new Promise<void>(resolve => (restored = resolve)),
    serviceManager: {
      serverSettings: ServerConnection.makeSettings({ baseUrl: BASE, fetch: fetchFrom(server) }),
      events: { stream }
    },
    shell: {
      currentWidget: null,
      add: vi.fn((widget: Widget) => {
        widget.hide();
        shelf.addWidget(widget);
      }),
      activateById: vi.fn((id: string) => {
        shelf.widgets.find(widget => widget.id === id)?.show();
      })
    }
  };
  const notebooks = new WidgetTracker<Notebook>({ namespace: 'notebook' });
  const notebook = new Notebook('work.ipynb', 'kernel-1');
  void notebooks.add(notebook);
  const restart = vi.fn<ISessionContextDialogs['restart']>(() => Promise.resolve(true));
  const frontEnd = app as unknown as JupyterFrontEnd;
  const tracker = notebooks as unknown as INotebookTracker;
  const dialogs = { restart } as unknown as ISessionContextDialogs;
  const manager = managerPlugin.activate(frontEnd, tracker, null, dialogs, null) as IPackageManager;
  Widget.attach(shelf, document.body);
  /** What the server tells by its events. */
  const tell = (what: 'environment' | 'job' | 'kernel', facts: Record<string, string>): void =>
    stream.emit({
      schema_id: `https://jupyter-pkgmgr.readthedocs.io/events/${what}/v1`,
      ...facts
    });
  return {
    ...{ app: frontEnd, commands: app.commands, shell: app.shell, restored },
    ...{ server, manager, notebooks, notebook, tracker, dialogs, restart, tell }
  };
}

export type House = ReturnType<typeof makeHouse>;
