import { CANARY_NAMESPACE, FINALIZER, floorPoliciesAnnotation, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { KubeClient } from '@fso/shared/kube';
import { describe, expect, it } from 'vitest';
import { reducePolicy } from '../cache/reduce-policy.ts';
import { canaryBody } from '../enforce/gatekeeper/canary.ts';
import { CANARY_GOVERNANCE, CANARY_NAME } from '../enforce/index.ts';
import type { ClusterPlan } from '../plan/index.ts';
import { WritePool } from './write-pool.ts';
import { buildFinalizerWrites, type WriteContext } from './writes.ts';

const POLICY = 'team/eu';
const policyOf = (metadata: object): SovereignPolicy => ({ metadata: { namespace: 'team', name: 'eu', ...metadata } }) as SovereignPolicy;
const DELETED = policyOf({ finalizers: ['other', FINALIZER], deletionTimestamp: '2026-01-03T10:30:00Z' });

const CONSTRAINT = {
  metadata: { name: 'geo-deny-1', labels: { [LABELS.component]: 'constraint' } },
  spec: { parameters: { policies: [`${POLICY} finance`] } },
};
const NAMESPACE = { metadata: { name: 'finance', annotations: { [floorPoliciesAnnotation('deny')]: `team/other,${POLICY}` } } };

interface Cluster {
  readonly namespaces?: readonly object[];
  readonly constraints?: readonly object[];
  readonly parameters?: readonly object[];
  readonly isGatekeeperServed?: boolean;
}

interface Situation {
  readonly pending?: readonly object[];
  /** Keys of writes that keep failing. */
  readonly stuck?: readonly string[];
  readonly client?: Partial<KubeClient>;
}

/** The writes of finalizers. */
const writesFor = (policy: SovereignPolicy, cluster: Cluster, { pending = [], stuck = [], client }: Situation) => {
  const view = {
    livePolicies: () => [policy],
    versionOf: () => policy.metadata.resourceVersion,
    namespaces: { list: () => cluster.namespaces ?? [] },
    templates: { served: cluster.isGatekeeperServed ?? true },
    constraints: { list: () => cluster.constraints ?? [] },
    parameters: { list: () => cluster.parameters ?? [] },
  };
  const plan = { namespaces: pending } as unknown as ClusterPlan;
  return buildFinalizerWrites(plan, new Set(stuck), { view, client } as unknown as WriteContext);
};

const reasonsFor = (policy: SovereignPolicy, cluster: Cluster = {}, pending: readonly object[] = [], stuck: readonly string[] = []) =>
  writesFor(policy, cluster, { pending, stuck }).map(({ reason }) => reason);

describe('the finalizer of a policy', () => {
  it('comes first, and goes once nothing enforces the policy', () => {
    expect(reasonsFor(policyOf({}))).toEqual(['Hold']);
    expect(reasonsFor(policyOf({ finalizers: [FINALIZER] }))).toEqual([]);
    expect(reasonsFor(DELETED)).toEqual(['Released']);
    expect(reasonsFor(policyOf({ deletionTimestamp: '2026-01-03T10:30:00Z' }))).toEqual([]);
  });

  it('is not written again every second while the watch is late', async () => {
    let patches = 0;
    const client = {
      mergePatch: async () => {
        patches += 1;
      },
    } as unknown as KubeClient;
    const clock = new FakeClock();
    const stop = new AbortController();
    const retry = { firstMs: 5_000, secondMs: 30_000, capMs: 300_000, random: () => 0 };
    const ignore = (): void => undefined;
    const pool = new WritePool({ concurrency: 16, clock, retry, echoMs: 1_000, onDone: ignore, onFailure: ignore }, stop.signal);
    for (let second = 0; second < 20; second += 1) {
      pool.submit(writesFor(policyOf({ resourceVersion: '1' }), {}, { client }));
      await clock.advance(1_000);
    }
    stop.abort();
    expect(patches).toBe(1);
  });

  it('stays while a lock enforces the policy', () => {
    expect(reasonsFor(DELETED, { namespaces: [NAMESPACE] })).toEqual([]);
    expect(reasonsFor(DELETED, {}, [{ policies: [POLICY] }])).toEqual([]);
    expect(reasonsFor(DELETED, { constraints: [CONSTRAINT] })).toEqual([]);
    expect(reasonsFor(DELETED, { parameters: [{ spec: { namespaces: { finance: { policies: POLICY } } } }] })).toEqual([]);
    expect(reasonsFor(DELETED, { parameters: [{ spec: { patterns: [{ policies: `a/b,${POLICY}` }] } }] })).toEqual([]);
  });

  it.each([CANARY_NAME, CANARY_NAMESPACE])('does not take the canaries for locks of a policy called %s', (name) => {
    const index = { [CANARY_NAMESPACE]: { policies: CANARY_GOVERNANCE.actions.deny?.policies.join(',') } };
    const canaries = { constraints: [canaryBody()], parameters: [{ spec: { namespaces: index } }] };
    expect(reasonsFor({ ...DELETED, metadata: { ...DELETED.metadata, namespace: SYSTEM_NAMESPACE, name } }, canaries)).toEqual([
      'Released',
    ]);
  });

  it('does not wait for a lock that is gone or cannot be written', () => {
    expect(reasonsFor(DELETED, { constraints: [CONSTRAINT], isGatekeeperServed: false })).toEqual(['Released']);
    expect(reasonsFor(DELETED, { constraints: [CONSTRAINT] }, [], ['K8sGeoResidency/geo-deny-1'])).toEqual(['Released']);
    const leaving = { metadata: { ...NAMESPACE.metadata, deletionTimestamp: '2026-01-03T10:30:00Z' } };
    expect(reasonsFor(DELETED, { namespaces: [leaving] })).toEqual(['Released']);
  });

  it.each([
    ['added', undefined],
    ['removed', '2026-01-03T10:30:00Z'],
  ])('is %s without a change to the finalizers of others, however many there are', async (_change, deletionTimestamp) => {
    const others = Array.from({ length: 40 }, (_, index) => `example.com/f${index}`);
    const finalizers = deletionTimestamp === undefined ? others : [...others, FINALIZER];
    const whole = policyOf({ uid: '1', resourceVersion: '7', finalizers, ...(deletionTimestamp && { deletionTimestamp }) });
    const patches: unknown[] = [];
    const client = {
      get: async () => whole,
      mergePatch: async (_kind: unknown, _ref: unknown, patch: unknown) => void patches.push(patch),
    } as unknown as KubeClient;
    const signal = new AbortController().signal;
    for (const write of writesFor(reducePolicy(whole), {}, { client })) await write.run(signal);
    const expected = deletionTimestamp === undefined ? [...others, FINALIZER] : others;
    expect(patches).toEqual([{ metadata: { finalizers: expected, resourceVersion: '7' } }]);
    const again = { ...client, get: async () => ({ ...whole, metadata: { ...whole.metadata, uid: '2' } }) } as unknown as KubeClient;
    for (const write of writesFor(reducePolicy(whole), {}, { client: again })) expect(await write.run(signal)).toBe('unchanged');
    expect(patches).toHaveLength(1);
  });
});
