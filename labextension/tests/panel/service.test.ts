import { describe, expect, it } from 'vitest';

import { ServiceError } from '../../src/panel/errors';
import type { ITransportRequest, ITransportResponse } from '../../src/panel/service';
import { RestPackageService } from '../../src/panel/service';

function serviceThatGets(...responses: (Partial<ITransportResponse> | Error)[]) {
  const requests: ITransportRequest[] = [];
  const service = new RestPackageService(request => {
    requests.push(request);
    const next = responses.shift();
    if (next === undefined || next instanceof Error) {
      return Promise.reject(next ?? new Error('one request too many'));
    }
    return Promise.resolve({ status: 200, body: null, headers: {}, ...next });
  });
  return { service, requests };
}

const errorOf = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.fail('it should have been refused'),
    (error: unknown) => error as ServiceError
  );

describe('paths', () => {
  const document = { body: { schema: 1, kernels: [], environments: [], jobs: [], entries: [] } };
  const calls: [string, string, unknown, (service: RestPackageService) => Promise<unknown>][] = [
    ['GET', 'settings', undefined, service => service.settings()],
    ['GET', 'kernels', undefined, service => service.kernels()],
    ['GET', 'kernels/a%2Fb', undefined, service => service.kernel('a/b')],
    ['GET', 'environments', undefined, service => service.environments()],
    ['GET', 'environments/e', undefined, service => service.environment('e')],
    ['GET', 'environments/e/packages', undefined, service => service.packages('e')],
    ['GET', 'environments/e/packages/..%2Fx', undefined, service => service.details('e', '../x')],
    ['GET', 'environments/e/outdated', undefined, service => service.outdated('e')],
    [
      'GET',
      'environments/e/search?q=a%26b+c&limit=20',
      undefined,
      service => service.search('e', 'a&b c', 20)
    ],
    ['GET', 'environments/e/names', undefined, service => service.names('e')],
    [
      'GET',
      'environments/e/versions/x?ecosystem=pypi',
      undefined,
      service => service.versions('e', 'x', 'pypi')
    ],
    ['GET', 'environments/e/versions/x', undefined, service => service.versions('e', 'x', null)],
    [
      'POST',
      'environments/e/plans',
      { command: 'undo 1' },
      service => service.makePlan('e', { command: 'undo 1' })
    ],
    ['GET', 'plans/p', undefined, service => service.plan('p')],
    ['GET', 'jobs?environment=e', undefined, service => service.jobs({ environment: 'e' })],
    ['POST', 'jobs', { plan: 'p' }, service => service.apply('p')],
    ['GET', 'jobs/j', undefined, service => service.job('j')],
    ['POST', 'jobs/j/cancel', {}, service => service.cancel('j')],
    ['GET', 'jobs/j/events?after=7&wait=25', undefined, service => service.events('j', 7, 25)],
    ['GET', 'environments/e/history', undefined, service => service.history('e')],
    ['POST', 'environments/e/doctor', { files: true }, service => service.doctor('e', true)]
  ];
  it.each(calls)('%s %s', async (method, path, body, call) => {
    const { service, requests } = serviceThatGets(document);
    await call(service);
    expect(requests).toMatchObject([{ method, path }]);
    expect(requests[0]?.body).toEqual(body);
  });
});

describe('errors', () => {
  it('are what the server says', async () => {
    const error = {
      reference: 'conflict',
      message: 'a and b do not fit',
      context: ['a needs b <2'],
      note: 'b 2 is there',
      hint: '%pkg install "a>=3"',
      detail: null
    };
    const { service } = serviceThatGets({
      status: 409,
      body: { schema: 1, error, message: error.message }
    });
    const thrown = await errorOf(service.plan('p'));
    expect(thrown).toBeInstanceOf(ServiceError);
    expect(thrown).toMatchObject({ ...error, kind: 'refused', status: 409 });
  });

  const others: [string, Partial<ITransportResponse> | Error, Partial<ServiceError>][] = [
    [
      'no network',
      new TypeError('Failed to fetch'),
      { kind: 'unreachable', message: 'the server does not answer', detail: 'Failed to fetch' }
    ],
    ['a proxy without its server', { status: 502 }, { kind: 'unreachable' }],
    ['a hub whose server of this user has stopped', { status: 424 }, { kind: 'unreachable' }],
    [
      'a server without the extension',
      { status: 404, body: { message: 'Not Found' } },
      { kind: 'absent' }
    ],
    ['a page instead of a document', { status: 200, body: '<html>' }, { kind: 'stranger' }],
    [
      'nobody logged in',
      { status: 403, body: { message: 'Forbidden' } },
      { kind: 'stranger', message: 'Forbidden' }
    ],
    ['a version of the future', { status: 200, body: { schema: 2 } }, { kind: 'unknown-format' }]
  ];
  it.each(others)('of %s', async (_, answer, expected) => {
    const { service } = serviceThatGets(answer);
    expect(await errorOf(service.settings())).toMatchObject(expected);
  });

  it("of a job are the job's own", async () => {
    const error = { reference: 'cancelled', message: 'cancelled before it began' };
    const { service } = serviceThatGets({ status: 202, body: { schema: 1, id: 'j', error } });
    expect(await service.cancel('j')).toMatchObject({ id: 'j', error });
  });

  it('leave an abort what it is', async () => {
    const abort = new DOMException('stopped', 'AbortError');
    const service = new RestPackageService(() => Promise.reject(abort));
    await expect(service.settings()).rejects.toBe(abort);
  });
});

describe('tagged documents', () => {
  const packages = { schema: 1, fingerprint: 'f', packages: [], problems: [], notes: [] };

  it('are asked for by their tag, and are the same object when nothing changed', async () => {
    const { service, requests } = serviceThatGets(
      { body: packages, headers: { etag: '"f"' } },
      { status: 304, headers: { etag: '"f"' } }
    );
    const first = await service.packages('e');
    const second = await service.packages('e');
    expect(second).toBe(first);
    expect(requests.map(({ headers }) => headers)).toEqual([undefined, { 'If-None-Match': '"f"' }]);
  });

  it('are not mixed up between environments', async () => {
    const { service, requests } = serviceThatGets(
      { body: packages, headers: { etag: '"f"' } },
      { body: packages, headers: { etag: '"g"' } }
    );
    await service.packages('e');
    await service.packages('other');
    expect(requests[1]?.headers).toBeUndefined();
  });

  it('are forgotten, oldest first, instead of growing without end', async () => {
    const many = Array.from({ length: 10 }, () => ({ body: packages, headers: { etag: '"f"' } }));
    const { service, requests } = serviceThatGets(...many);
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'a']) {
      await service.packages(id);
    }
    expect(requests.at(-1)?.headers).toBeUndefined();
  });
});
