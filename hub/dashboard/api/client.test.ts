import { afterEach, describe, expect, it, vi } from 'vitest';
import { ApiProblem, getJson, HubUnreachable, isForbidden, isUnauthorized, postJson, urlOf } from './client.ts';

afterEach(() => vi.unstubAllGlobals());

const answerWith = (answer: () => Promise<Response>) => {
  const fetch = vi.fn(answer);
  vi.stubGlobal('fetch', fetch);
  return fetch;
};
const problem = { type: 'urn:fso:problem:forbidden', title: 'The caller may not do this', status: 403, code: 'forbidden', requestId: 'r1' };

describe('a call', () => {
  it('sends only the given parameters', () => {
    expect(urlOf('/api/v1/clusters', { q: 'a b&c', limit: 100, violating: true, sort: undefined, region: '' })).toBe(
      '/api/v1/clusters?q=a+b%26c&limit=100&violating=true&region=',
    );
    expect(urlOf('/api/v1/status')).toBe('/api/v1/status');
  });

  it("proves with a change that it comes from the hub's own page", async () => {
    const fetch = answerWith(async () => Response.json({}));
    await postJson('/auth/token', { token: 't' });
    expect(fetch.mock.calls[0]).toEqual([
      '/auth/token',
      expect.objectContaining({ method: 'POST', credentials: 'same-origin', headers: expect.objectContaining({ 'X-FSO-CSRF': '1' }) }),
    ]);
  });

  it('fails with the problem that the hub describes', async () => {
    answerWith(async () => Response.json({ ...problem, detail: 'You are a viewer.' }, { status: 403, headers: { 'Retry-After': '7' } }));
    const error = await getJson('/api/v1/status').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiProblem);
    expect(error).toMatchObject({ status: 403, message: 'You are a viewer.', retryAfterS: 7 });
    expect([isForbidden(error), isUnauthorized(error)]).toEqual([true, false]);
  });

  it('fails with the text of a proxy, in any form', async () => {
    answerWith(async () => new Response('<h1>Bad Gateway</h1>', { status: 502, statusText: 'Bad Gateway' }));
    const error = await getJson('/api/v1/status').catch((reason: unknown) => reason);
    expect(error).toMatchObject({ status: 502, message: 'Bad Gateway', retryAfterS: undefined });
  });

  it('distinguishes an unreachable hub from an abandoned call', async () => {
    answerWith(() => Promise.reject(new TypeError('Failed to fetch')));
    await expect(getJson('/api/v1/status')).rejects.toBeInstanceOf(HubUnreachable);
    await expect(getJson('/api/v1/status', {}, AbortSignal.abort(new Error('given up')))).rejects.toThrow('given up');
  });
});
