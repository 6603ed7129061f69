// @vitest-environment node
import { ServerConnection } from '@jupyterlab/services';
import { expect, it, vi } from 'vitest';

import { serverTransport } from '../../src/lab/transport';

const GET = { method: 'GET', path: 'settings' } as const;

function transportWith(answer: (request: Request) => Response | Promise<Response>) {
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://localhost:8888/user/ada/',
    token: 'secret',
    fetch: async (input, init) => answer(new Request(input, init))
  });
  return serverTransport(settings);
}

it('asks below the server’s base URL, with its credentials', async () => {
  const answer = vi.fn((request: Request) => new Response(`{"url": "${request.url}"}`));
  const { status, body } = await transportWith(answer)(GET);
  expect(status).toBe(200);
  expect((body as { url: string }).url).toMatch(
    /^http:\/\/localhost:8888\/user\/ada\/pkgmgr\/settings/
  );
  expect(answer.mock.calls[0]?.[0].headers.get('Authorization')).toBe('token secret');
});

it('sends a body as JSON, and headers as they are', async () => {
  const transport = transportWith(
    async request =>
      new Response(await request.text(), {
        status: 202,
        headers: { ETag: `"${request.headers.get('X-Test') ?? ''}"` }
      })
  );
  const answer = await transport({
    method: 'POST',
    path: 'jobs',
    body: { plan: 'p' },
    headers: { 'X-Test': 'kept' }
  });
  expect(answer).toMatchObject({ status: 202, body: { plan: 'p' }, headers: { etag: '"kept"' } });
});

it('takes what isn’t JSON for nothing', async () => {
  const { status, body } = await transportWith(() => new Response('<html>', { status: 502 }))(GET);
  expect([status, body]).toEqual([502, null]);
});

it('tells a request that was stopped from a network that is broken', async () => {
  const broken = transportWith(() => Promise.reject(new TypeError('no network')));
  await expect(broken(GET)).rejects.toThrow(ServerConnection.NetworkError);
  const stop = new AbortController();
  const stopped = transportWith(() => {
    stop.abort();
    return Promise.reject(new TypeError('no network'));
  });
  await expect(stopped({ ...GET, signal: stop.signal })).rejects.toMatchObject({
    name: 'AbortError'
  });
});
