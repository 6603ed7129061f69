import { Token } from '@lumino/coreutils';
import { vi } from 'vitest';

/** What JupyterLab asks of a browser when it is imported, and jsdom lacks. No test depends on what it answers. */
const lacking = () => ({
  DragEvent: class extends MouseEvent {},
  requestIdleCallback: (run: () => void) => setTimeout(run),
  cancelIdleCallback: (id: number) => clearTimeout(id),
  matchMedia: () => Object.assign(new EventTarget(), { matches: false })
});
if (typeof window !== 'undefined') {
  for (const [name, value] of Object.entries(lacking())) {
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}

// Editors want a whole browser: of what brings them along, the plugins' tests know the tokens only.
vi.mock('@jupyterlab/application', () => ({
  ILayoutRestorer: new Token('@jupyterlab/application:ILayoutRestorer')
}));
vi.mock('@jupyterlab/notebook', () => ({
  INotebookTracker: new Token('@jupyterlab/notebook:INotebookTracker'),
  NotebookActions: {}
}));
vi.mock('@jupyterlab/console', () => ({
  IConsoleTracker: new Token('@jupyterlab/console:IConsoleTracker')
}));
