import { expect, it } from 'vitest';
import { FakeClock } from '../../runtime/testing/fake-clock.ts';
import type { KubeClient } from '../client/client.ts';
import { KubeApiError } from '../errors.ts';
import type { Lease } from '../kinds.ts';
import { runAsLeader } from './leader-election.ts';

const PERIOD_MS = 2_000;
const request = { method: 'PUT', path: '/lease' };

/** An API server with a single Lease, which notes the requests that come. */
class LeaseServer {
  readonly requests: string[] = [];
  lease: Lease | undefined;
  #version = 0;

  readonly client = {
    get: async () => {
      this.requests.push('GET');
      return this.lease;
    },
    create: async (_kind: unknown, lease: Lease) => {
      this.requests.push('POST');
      return { object: this.write(lease), warnings: [] };
    },
    raw: async ({ body }: { body: Lease }) => {
      this.requests.push('PUT');
      if (this.lease === undefined) throw new KubeApiError(404, {}, { request });
      if (body.metadata.resourceVersion !== this.lease.metadata.resourceVersion) throw new KubeApiError(409, {}, { request });
      return { object: this.write(body), warnings: [] };
    },
  } as unknown as KubeClient;

  write(lease: Lease): Lease {
    this.#version += 1;
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(this.#version) } };
    return this.lease;
  }

  /** Takes the requests since the last call. */
  take(): string[] {
    return this.requests.splice(0);
  }
}

const lead = async () => {
  const server = new LeaseServer();
  const clock = new FakeClock();
  const stop = new AbortController();
  const terms: AbortSignal[] = [];
  const run = (term: AbortSignal): Promise<void> => {
    terms.push(term);
    return new Promise((resolve) => term.addEventListener('abort', () => resolve(), { once: true }));
  };
  const options = { client: server.client, clock, namespace: 'default', name: 'lease', identity: 'a', retryPeriodMs: PERIOD_MS };
  const ended = runAsLeader(options, run, stop.signal);
  await clock.advance(0);
  const close = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  return { server, clock, terms, [Symbol.asyncDispose]: close };
};

it('renews with one request', async () => {
  await using leader = await lead();
  expect(leader.server.take()).toEqual(['GET', 'POST']);
  await leader.clock.advance(3 * PERIOD_MS);
  expect(leader.server.take()).toEqual(['PUT', 'PUT', 'PUT']);
});

it.each([
  ['another program annotates its lease', ['PUT', 'GET', 'PUT'], { annotations: { note: 'x' } }],
  ['its lease was deleted', ['PUT', 'GET', 'POST'], undefined],
])('stays the leader where %s', async (_what, requests, metadata) => {
  await using leader = await lead();
  const { server, clock, terms } = leader;
  server.take();
  if (metadata === undefined || server.lease === undefined) server.lease = undefined;
  else server.write({ ...server.lease, metadata: { ...server.lease.metadata, ...metadata } });
  await clock.advance(PERIOD_MS);
  expect(server.take()).toEqual(requests);
  await clock.advance(PERIOD_MS);
  expect([server.take(), terms.length, terms[0]?.aborted]).toEqual([['PUT'], 1, false]);
  expect(server.lease?.spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 0 });
});

it('steps down where another candidate took the lease, and leaves it to that one', async () => {
  await using leader = await lead();
  const { server, clock, terms } = leader;
  server.take();
  const { lease } = server;
  if (lease === undefined) throw new Error('no lease');
  server.write({ ...lease, spec: { ...lease.spec, holderIdentity: 'b' } });
  await clock.advance(PERIOD_MS);
  expect([terms.length, terms[0]?.aborted, server.lease?.spec?.holderIdentity]).toEqual([1, true, 'b']);
  expect(new Set(server.take().slice(1))).toEqual(new Set(['GET']));
});
