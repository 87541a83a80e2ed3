import { SYSTEM_NAMESPACE } from '@fso/shared/api';
import { KubeApiError, type KubeClient } from '@fso/shared/kube';
import { FakeClock } from '@fso/shared/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { CanaryProber, type CanaryTarget } from './canary-prober.ts';
import { Prober, type ProbeTarget } from './prober.ts';
import { RetryBudget } from './retry-budget.ts';
import { rotate } from './rotation.ts';

const floor = { isFloorPolicy: (name: string) => name.startsWith('fso-floor-') };
const REFUSED = 'admission webhook "validation.gatekeeper.sh" denied the request: [geo-canary] policy geo-canary allows';
const BY_FLOOR = `ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request:`;

const forbidden = (message: string): KubeApiError =>
  new KubeApiError(403, { message } as never, { request: { method: 'POST', path: '' } as never });

interface Asked {
  readonly namespace: string;
  readonly what: 'canary' | 'bind' | 'deny' | 'admit';
}

const whatOf = (path: string, body: { metadata: { labels?: object }; spec?: { nodeSelector: object } }): Asked['what'] => {
  if (path.endsWith('/binding')) return 'bind';
  if (body.metadata.labels !== undefined) return 'canary';
  return JSON.stringify(body.spec?.nodeSelector).includes('fso-probe.invalid') ? 'deny' : 'admit';
};

/** An API server whose lock 1 holds, and whose Gatekeeper answers in the namespaces that it is asked about. */
class World {
  readonly asked: Asked[] = [];
  readonly clock = new FakeClock();
  readonly stop = new AbortController();
  /** Namespaces in which Gatekeeper lets everything pass. */
  readonly open = new Set<string>();
  /** Of a request that waits for Gatekeeper. */
  gatekeeperMs = 0;
  readonly canary: CanaryProber;
  readonly prober: Prober;

  constructor() {
    const client = { raw: (request: { path: string; body: never }) => this.#answer(request) } as unknown as KubeClient;
    const budget = new RetryBudget(this.clock, this.stop.signal);
    const shared = { client, clock: this.clock, budget, floor, concurrency: 4, onChange: () => undefined, onVerdict: () => undefined };
    this.canary = new CanaryProber({ ...shared, patienceMs: 3_000 }, this.stop.signal);
    this.prober = new Prober({ ...shared, bindGate: true, patienceMs: 10_000 }, this.stop.signal);
  }

  async #answer({ path, body }: { path: string; body: never }): Promise<unknown> {
    const namespace = path.split('/')[4] ?? '';
    const what = whatOf(path, body);
    this.asked.push({ namespace, what });
    if (what === 'deny' || what === 'bind') throw forbidden(`${BY_FLOOR} policy default/p allows regions eu in namespace ${namespace}: x`);
    if (this.gatekeeperMs > 0) await this.clock.sleep(this.gatekeeperMs, this.stop.signal);
    if (what === 'canary' && !this.open.has('*') && !this.open.has(namespace)) throw forbidden(REFUSED);
    return { warnings: [] };
  }

  expect(namespaces: readonly string[]): void {
    this.canary.expect(
      new Map(namespaces.map((name): [string, CanaryTarget] => [name, { region: 'eu', fingerprint: 'f', hint: undefined }])),
    );
  }

  expectLockOne(namespaces: readonly string[]): void {
    const targets = namespaces.map((namespace): [string, ProbeTarget] => {
      const deny = { regions: ['eu'], policies: ['default/p'], revisions: ['-'] };
      const governance = { namespace, actions: { deny }, policies: ['default/p'], injection: false };
      return [namespace, { governance, fingerprint: 'f', uid: 'u', floorVersion: 1 } as ProbeTarget];
    });
    this.prober.expect(new Map(targets));
  }

  rotate(): void {
    void rotate(this.clock, { prober: this.prober, canary: this.canary }, this.stop.signal);
  }
}

let world: World;
afterEach(() => world.stop.abort());

const NAMES = ['a', 'b', 'c', SYSTEM_NAMESPACE];

describe('CanaryProber', () => {
  it('proves each namespace, and sees within two turns that Gatekeeper is gone from all', async () => {
    world = new World();
    world.expect(NAMES);
    await world.clock.advance(100);
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['proven', 'proven', 'proven', 'proven']);
    world.open.add('*');
    world.canary.probeNext();
    await world.clock.advance(0);
    expect(world.canary.outage).toContain('Gatekeeper is not asked');
    expect(world.canary.problem).toBe(world.canary.outage);
    world.open.clear();
    await world.clock.advance(2_500);
    expect([world.canary.outage, world.canary.problem]).toEqual([undefined, undefined]);
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['proven', 'proven', 'proven', 'proven']);
  });

  it('tells one namespace from all', async () => {
    world = new World();
    world.expect(NAMES);
    await world.clock.advance(100);
    world.open.add('b');
    for (const _ of NAMES) world.canary.probeNext();
    await world.clock.advance(0);
    expect(NAMES.map((name) => world.canary.state(name)?.state)).toEqual(['proven', 'failed', 'proven', 'proven']);
    expect(world.canary.outage).toBeUndefined();
    expect(world.canary.problem).toContain('namespace b: Gatekeeper did not refuse');
  });

  it('never proves a namespace that was open from the start', async () => {
    world = new World();
    world.open.add('a');
    world.expect(['a']);
    await world.clock.advance(1_000);
    expect(world.canary.state('a')).toMatchObject({ state: 'pending', message: expect.stringContaining('did not refuse') });
    await world.clock.advance(5_000);
    expect(world.canary.state('a')?.state).toBe('failed');
  });

  it('has nothing to say of what it is not to ask', async () => {
    world = new World();
    world.open.add('*');
    world.expect(['a']);
    await world.clock.advance(10_000);
    world.expect([]);
    expect([world.canary.state('a'), world.canary.outage, world.canary.problem, world.canary.probeNext()]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('rotate', () => {
  it('asks two requests a second, each kind in turn, and lock 2 every two seconds', async () => {
    world = new World();
    const names = Array.from({ length: 9 }, (_, index) => `n${index}`);
    world.expect(names);
    world.expectLockOne(names);
    await world.clock.advance(500);
    world.rotate();
    world.asked.length = 0;
    await world.clock.advance(60_000);
    expect(world.asked.length).toBe(120);
    expect(world.asked.filter(({ what }) => what === 'canary').length).toBe(30);
    for (const what of ['deny', 'admit', 'bind', 'canary']) {
      expect(new Set(world.asked.filter((asked) => asked.what === what).map(({ namespace }) => namespace)).size, what).toBe(9);
    }
    // Nobody waits longer than one round of all.
    const gaps = names.map((name) => world.asked.flatMap(({ namespace }, index) => (namespace === name ? index : [])));
    for (const turns of gaps)
      for (const [index, turn] of turns.entries()) expect(turn - (turns[index - 1] ?? turn)).toBeLessThanOrEqual(18);
  });

  it('goes on asking lock 1 while Gatekeeper takes its time', async () => {
    world = new World();
    world.expect(['a', 'b']);
    world.expectLockOne(['a', 'b', 'c', 'd']);
    await world.clock.advance(500);
    world.gatekeeperMs = 1_000_000;
    world.rotate();
    world.asked.length = 0;
    await world.clock.advance(4_000);
    world.expectLockOne(['a', 'b', 'c', 'd', 'late']);
    await world.clock.advance(100);
    expect(world.asked.filter(({ what }) => what === 'deny' || what === 'bind').length).toBeGreaterThan(2);
    expect(world.asked.filter(({ namespace }) => namespace === 'late').map(({ what }) => what)).toEqual(
      expect.arrayContaining(['deny', 'bind']),
    );
  });
});
