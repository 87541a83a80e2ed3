import { describe, expect, it } from 'vitest';
import { ROUTES } from './openapi.ts';
import { problem, started } from './testing/requests.ts';

describe('problems', () => {
  it.each([
    ['/api/v1/events?policy=%00', 400, 'query parameter policy: must not have control characters'],
    ['/api/v1/events?q=a%00b', 400, 'query parameter q: must not have control characters'],
    ['/api/v1/policies?limit=501', 400, 'query parameter limit: must be at most 500'],
    ['/api/v1/policies?limit=x', 400, 'query parameter limit: must be a whole number'],
    ['/api/v1/policies?fase=Active', 400, 'query parameter fase: unknown'],
    ['/api/v1/policies?phase=Done', 400, 'query parameter phase: '],
    ['/api/v1/clusters?q=a&q=b', 400, 'query parameter q: '],
    ['/api/v1/clusters?cursor=%21', 400, 'query parameter cursor: '],
    ['/api/v1/clusters?cursor=YQ', 400, 'query parameter cursor: is not a cursor of this API'],
    ['/api/v1/clusters?cursor=W10', 400, 'query parameter cursor: is not a cursor of this API'],
    ['/api/v1/clusters?sort=age', 400, 'query parameter sort: '],
    ['/api/v1/clusters?inSync=yes', 400, 'query parameter inSync: '],
    ['/api/v1/violation-groups', 400, 'query parameter by: '],
    ['/api/v1/events?cursor=YQ', 400, 'query parameter cursor: '],
    ['/api/v1/clusters/nowhere', 404, 'There is no cluster nowhere.'],
    ['/api/v1/policies/a', 404, 'There is no policy a.'],
    ['/api/v1/policies/a/b', 404, 'There is no policy a/b.'],
    ['/api/v1/policies/%E0%A4%A/b', 400, 'The URL'],
    ['/nothing', 404, 'Nothing is at /nothing.'],
  ])('%s is %i', async (path, status, detail) => {
    await using server = await started();
    const response = await fetch(server.url + path);
    const body = await problem(response);
    expect([response.status, body.status]).toEqual([status, status]);
    expect(body.detail).toContain(detail);
    expect(body.requestId).toBe(response.headers.get('x-request-id'));
  });

  it('name the allowed method', async () => {
    await using server = await started();
    const response = await fetch(`${server.url}/api/v1/status`, { method: 'DELETE' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  });

  it('carry the request id of the caller when it is harmless', async () => {
    await using server = await started();
    const ask = async (id: string) => (await problem(await fetch(`${server.url}/nothing`, { headers: { 'X-Request-Id': id } }))).requestId;
    expect(await ask('ci-42')).toBe('ci-42');
    expect(await ask('a b<script>')).not.toContain('script');
  });

  it('hide what failed inside', async () => {
    await using server = await started();
    server.ledger.desired = () => Promise.reject(new Error('password=hunter2'));
    const body = await problem(await fetch(`${server.url}/api/v1/policies`));
    expect(body.code).toBe('internal');
    expect(JSON.stringify(body)).not.toContain('hunter2');
  });
});

describe('API token', () => {
  it.each([
    ['/api/v1/status', undefined, 401],
    ['/api/v1/status', 'Bearer wrong', 401],
    ['/api/v1/status', 'Basic c2VjcmV0', 401],
    ['/api/v1/status', 'Bearer s3cret', 200],
    ['/api/v1/stream', undefined, 401],
    ['/metrics', undefined, 401],
    ['/metrics', 'Bearer s3cret', 200],
    ['/healthz', undefined, 200],
    ['/readyz', undefined, 200],
    ['/api/v1/openapi.json', undefined, 200],
  ])('%s with %s is %i', async (path, authorization, status) => {
    await using server = await started({ apiToken: 's3cret' });
    const response = await fetch(server.url + path, { headers: authorization === undefined ? {} : { authorization } });
    expect(response.status).toBe(status);
    if (status === 401) expect(response.headers.get('www-authenticate')).toBe('Bearer realm="fso"');
    await response.body?.cancel();
  });

  it('guards every route that declares it', async () => {
    for (const { path, method } of ROUTES.filter(({ access }) => access !== 'open')) {
      // A new one each time: failed calls are limited.
      await using server = await started({ apiToken: 's3cret' });
      const response = await fetch(server.url + path.replaceAll(/[{}]/g, ''), { method });
      expect([path, response.status]).toEqual([path, 401]);
    }
  });
});
