import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

/** JupyterLab's packages are made for a bundler: Node can't load some of them, and none of their icons. */
const forBundlers = [
  ...['apputils', 'services', 'settingregistry', 'statusbar'],
  ...['translation', 'ui-components']
].map(name => `@jupyterlab/${name}`);
/** What they share with our sources, which must not be there twice. */
const shared = [
  ...['commands', 'coreutils', 'messaging', 'signaling', 'widgets'].map(name => `@lumino/${name}`),
  ...['react', 'react-dom', 'react-dom/client', 'react/jsx-runtime', 'react/jsx-dev-runtime'],
  ...['@tanstack/react-virtual', '@testing-library/react']
];

const icons = {
  name: 'icons',
  load: {
    filter: { id: /\.svg$/ },
    handler: (id: string) => ({ code: readFileSync(id, 'utf8'), moduleType: 'text' as const })
  }
};

export default defineConfig({
  test: {
    environment: 'jsdom',
    setupFiles: 'tests/lab/jsdom.ts',
    include: ['tests/**/*.test.{ts,tsx}'],
    // What these packages have for Node isn't there in a browser's bundle, and isn't asked for.
    onConsoleLog: text => !/externalized for browser|Clipboard API/.test(text),
    restoreMocks: true,
    testTimeout: 60_000,
    deps: {
      optimizer: {
        client: {
          enabled: true,
          extensions: ['.svg'],
          include: [...forBundlers, ...shared],
          rolldownOptions: { plugins: [icons] }
        }
      }
    }
  }
});
