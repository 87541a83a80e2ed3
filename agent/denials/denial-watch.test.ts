import type { KubeObject } from '@fso/shared/api';
import { KubeApiError, type KubeClient, type RawRequest } from '@fso/shared/kube';
import { createLogger } from '@fso/shared/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../shared/runtime/testing/fake-clock.ts';
import type { Governance } from '../enforce/index.ts';
import type { FoundRisk, Owner } from '../risk/index.ts';
import { DenialWatch, type KnownDenials } from './denial-watch.ts';
import { OwnRefusals } from './own-refusals.ts';

const MINUTE = 60_000;
const REFUSAL =
  "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request: …";
const refused = () => new KubeApiError(403, { message: REFUSAL, code: 403 }, { request: { method: 'POST', path: '/' } });

/** An API server with one counter, the events that a test writes, and a number of addresses. */
class Server {
  pods = 0;
  addresses: readonly string[] = ['192.0.2.1'];
  isForbidden: boolean = false;
  /** Whether the next watch begins at a version that the server no longer has. */
  isExpired: boolean = true;
  #events: Buffer[] = [];
  #wake = Promise.withResolvers<void>();

  readonly client = {
    raw: async () => ({ object: { metadata: { resourceVersion: '1' }, items: [] }, warnings: [] }),
    get: async () => ({ metadata: {}, endpoints: this.addresses.map((address) => ({ addresses: [address] })) }),
    stream: async ({ path }: RawRequest, signal: AbortSignal) => (path === '/metrics' ? this.#page() : this.#watch(signal)),
  } as unknown as KubeClient;

  write(kind: string, name: string, namespace = 'a'): void {
    const object = { metadata: { namespace, resourceVersion: '2' }, involvedObject: { kind, name }, message: `Error creating: ${REFUSAL}` };
    this.#events.push(Buffer.from(`${JSON.stringify({ type: 'ADDED', object })}\n`));
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async *#page() {
    if (this.isForbidden)
      throw new KubeApiError(403, { message: 'no', code: 403, reason: 'Forbidden' }, { request: { method: 'GET', path: '/' } });
    const labels = 'enforcement_action="deny",policy="fso-floor-pods-deny",policy_binding="fso-floor-pods-deny"';
    yield Buffer.from(`apiserver_validating_admission_policy_check_total{${labels}} ${this.pods}\nprocess_start_time_seconds 7\n`);
  }

  async *#watch(signal: AbortSignal) {
    if (this.isExpired) {
      this.isExpired = false;
      throw new KubeApiError(410, { message: 'too old', code: 410, reason: 'Expired' }, { request: { method: 'GET', path: '/' } });
    }
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!signal.aborted) {
      const events = this.#events;
      this.#events = [];
      yield* events;
      if (this.#events.length === 0) await Promise.race([this.#wake.promise, aborted]);
    }
  }
}

const LOUD = Array.from({ length: 50 }, (_, index) => `loud-${index}`);
const POLICIES = ['p', 'p2', 'p3', 'p4', 'p5', 'p6'];
const OWNERS = new Map<string, ReadonlyMap<string, Owner>>([
  ['Deployment', new Map(['web', ...LOUD].map((name) => [name, { metadata: { name } } as Owner]))],
  ['ReplicaSet', new Map([['web-1', { metadata: { name: 'web-1' }, controller: { kind: 'Deployment', name: 'web', uid: 'u' } } as Owner]])],
]);
const riskOf = (namespace: string, name: string): FoundRisk => ({
  risk: { risk: 'Refused', kind: 'Deployment', namespace, name, reason: 'no region', fix: 'add it', confirmation: 'Confirmed' },
  policies: POLICIES,
  isUntried: false,
});
const GOVERNED = ['a', 'quiet'];
const GOVERNANCE = {
  namespaces: new Map(GOVERNED.map((namespace) => [namespace, { actions: { deny: {} } }])),
} as unknown as Pick<Governance, 'namespaces'>;

let clock: FakeClock;
let server: Server;
let own: OwnRefusals;
let watch: DenialWatch;
let stop: AbortController;
let running: Promise<void>;
let first: KnownDenials;
beforeEach(() => {
  clock = new FakeClock();
  server = new Server();
  own = new OwnRefusals();
  stop = new AbortController();
  watch = new DenialWatch({
    runtime: { client: server.client, random: () => 0, logger: createLogger({ name: 'test', level: 'silent' }) },
    clock,
    owners: { ownersIn: (namespace) => (GOVERNED.includes(namespace) ? OWNERS : new Map()) as never },
    risks: { refusedOwnersIn: (namespace) => ['web', ...LOUD].map((name) => riskOf(namespace, name)) },
    own,
    wake: () => undefined,
  });
  first = watch.look(GOVERNANCE);
  running = watch.run(stop.signal);
});
afterEach(async () => {
  stop.abort();
  await running;
});

const look = () => watch.look(GOVERNANCE);

describe('denials', () => {
  it('are not known before the first reading', () => {
    expect(first).toEqual({ cluster: undefined, policies: new Map(), problem: { text: expect.any(String), isPartial: false } });
  });

  it('name the owner above the object of an event, and count what the API server counts beside it', async () => {
    // The first watch ends at once, as its version is too old.
    await clock.advance(5_000);
    expect(look()).toMatchObject({ cluster: { pods: 0, owners: 0 }, problem: undefined });
    server.pods = 10;
    for (const [kind, name] of [
      ['ReplicaSet', 'web-1'],
      ['Deployment', 'web'],
      ['ReplicaSet', 'unknown'],
    ] as const)
      server.write(kind, name);
    server.write('Deployment', 'web', 'b');
    await clock.advance(MINUTE);
    const owner = { kind: 'Deployment', namespace: 'a', name: 'web', count: 2, reason: 'no region', fix: 'add it' };
    expect(look().cluster).toMatchObject({
      pods: 10,
      recent: 10,
      owners: 1,
      named: 2,
      denials: [{ ...owner, policies: POLICIES.slice(0, 5) }],
    });
    for (const policy of POLICIES) expect(look().policies.get(policy)).toMatchObject({ owners: 1, count: 2, named: [owner] });
  });

  it('name owners of each namespace in turn, and the first ones under a policy', async () => {
    await clock.advance(5_000);
    server.pods = 1_000;
    for (const name of LOUD) for (let count = 0; count < 3; count += 1) server.write('Deployment', name);
    server.write('Deployment', 'web', 'quiet');
    await clock.advance(MINUTE);
    const { cluster, policies } = look();
    expect(cluster).toMatchObject({ owners: 51, named: 151 });
    expect(cluster?.denials.map(({ namespace }) => namespace)).toEqual(['a', 'quiet', ...Array.from({ length: 38 }, () => 'a')]);
    expect(policies.get('p6')).toMatchObject({ owners: 51, count: 151, named: { length: 20 } });
  });

  it('leave the own dry runs out', async () => {
    await clock.advance(0);
    const client = own.counting({ raw: () => Promise.reject(refused()), list: () => Promise.resolve([]) });
    const request = { method: 'POST', path: '/api/v1/namespaces/a/pods', body: {} as KubeObject } as const;
    for (let count = 0; count < 3; count += 1) await expect(client.raw(request, stop.signal)).rejects.toThrow('fso-floor-pods-deny');
    server.pods = 5;
    await clock.advance(MINUTE);
    expect(look().cluster?.pods).toBe(2);
  });

  it('change the status of a policy by counts alone only now and then', async () => {
    await clock.advance(0);
    const statuses = new Set<unknown>();
    for (let minute = 0; minute < 12; minute += 1) {
      server.pods += 1;
      server.write('Deployment', 'web');
      await clock.advance(MINUTE);
      statuses.add(look().policies.get('p'));
    }
    expect(look().cluster?.named).toBe(12);
    expect(statuses.size).toBeGreaterThan(1);
    expect(statuses.size).toBeLessThanOrEqual(4);
  });

  it('become unknown, and keep the names without counts, where the metrics cannot be read', async () => {
    await clock.advance(0);
    server.pods = 1;
    server.write('Deployment', 'web');
    await clock.advance(MINUTE);
    server.isForbidden = true;
    await clock.advance(2 * MINUTE);
    expect(look().problem).toBeUndefined();
    await clock.advance(3 * MINUTE);
    expect(look().problem).toEqual({ text: expect.stringContaining('ClusterRole'), isPartial: false });
    expect(look().cluster).toMatchObject({ pods: null, recent: null, bindings: null, owners: 1, named: 0 });
    expect(look().cluster?.denials[0]).not.toHaveProperty('count');
    server.isForbidden = false;
    await clock.advance(MINUTE);
    // What was refused since the last reading may be older than an hour.
    expect(look()).toMatchObject({ cluster: { pods: 0, minutes: 0, owners: 1, named: 0 }, problem: undefined });
    server.pods = 2;
    await clock.advance(MINUTE);
    expect(look().cluster).toMatchObject({ pods: 1, minutes: 5 });
  });

  it('are not known where the metrics lack the own dry runs', async () => {
    await clock.advance(0);
    const client = own.counting({ raw: () => Promise.reject(refused()), list: () => Promise.resolve([]) });
    const request = { method: 'POST', path: '/api/v1/namespaces/a/pods', body: {} as KubeObject } as const;
    for (let count = 0; count < 30; count += 1) await expect(client.raw(request, stop.signal)).rejects.toThrow('fso-floor-pods-deny');
    await clock.advance(MINUTE);
    expect(look()).toMatchObject({ cluster: { pods: null }, problem: { text: expect.stringContaining('lack'), isPartial: false } });
  });

  it('are partial with several API servers', async () => {
    server.addresses = ['192.0.2.1', '192.0.2.2'];
    await clock.advance(MINUTE);
    expect(look().problem).toEqual({ text: expect.stringContaining('2 API servers'), isPartial: true });
  });
});
