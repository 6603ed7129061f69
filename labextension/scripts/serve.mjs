/**
 * Build one of the pages in `dev/` and serve it on loopback.
 *
 * `node scripts/serve.mjs` serves the panel against a Jupyter server: URL and token as arguments.
 */
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { createServer, request as forward } from 'node:http';

const root = new URL('..', import.meta.url).pathname;

async function bundled(entry) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    target: ['es2022'],
    minify: true,
    define: { 'process.env.NODE_ENV': '"production"' }
  });
  return result.outputFiles[0].text;
}

/** Serve a page; `proxy` is `{url, token}` of a Jupyter server, `theme` the path of a theme's variables. */
export async function serve({ entry, proxy = null, theme = () => null, port = 0 }) {
  const files = {
    '/': ['text/html', await readFile(`${root}dev/page.html`, 'utf8')],
    '/page.js': ['text/javascript', await bundled(entry)],
    '/style.css': ['text/css', await bundled('style/panel/index.css')]
  };
  const server = createServer(async (incoming, outgoing) => {
    const { pathname } = new URL(incoming.url, 'http://localhost');
    if (proxy && pathname.startsWith('/pkgmgr/')) {
      pass(incoming, outgoing, proxy);
      return;
    }
    const path = pathname === '/theme.css' ? theme(incoming.headers.referer ?? '') : null;
    const [type, text] = path
      ? ['text/css', await readFile(path, 'utf8')]
      : (files[pathname] ?? []);
    outgoing.writeHead(text === undefined ? 404 : 200, {
      'Content-Type': `${type ?? 'text/plain'}; charset=utf-8`
    });
    outgoing.end(text ?? '');
  });
  await new Promise(resolve => server.listen(port, '127.0.0.1', resolve));
  return { server, url: `http://127.0.0.1:${server.address().port}/` };
}

function pass(incoming, outgoing, { url, token }) {
  const target = new URL(`.${incoming.url}`, url.endsWith('/') ? url : `${url}/`);
  const headers = { ...incoming.headers, host: target.host, authorization: `token ${token}` };
  const onward = forward(target, { method: incoming.method, headers }, answer => {
    outgoing.writeHead(answer.statusCode, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  incoming.pipe(onward);
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [url = 'http://127.0.0.1:8888/', token = ''] = process.argv.slice(2);
  const { url: page } = await serve({ entry: 'dev/main.tsx', proxy: { url, token } });
  console.log(page);
}
