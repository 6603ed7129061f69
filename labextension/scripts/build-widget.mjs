/** Build the panel for anywidget: one ES module with React inside, and one style sheet. */
import { build } from 'esbuild';

const out = new URL('../../jupyter_pkgmgr/widget/static/', import.meta.url).pathname;
const root = new URL('..', import.meta.url).pathname;

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  target: ['es2022'],
  logLevel: 'info',
  legalComments: 'inline'
};

await build({
  ...shared,
  entryPoints: ['src/widget/index.tsx'],
  outfile: `${out}panel.js`,
  format: 'esm',
  define: { 'process.env.NODE_ENV': '"production"' }
});
await build({ ...shared, entryPoints: ['style/widget.css'], outfile: `${out}panel.css` });
