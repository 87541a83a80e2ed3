import type { ENFORCEMENT_POINTS } from '@fso/shared/api';
import {
  ADMISSION_POLICY_BINDING_KIND,
  ADMISSION_POLICY_KIND,
  GEO_RESIDENCY_KIND,
  NAMESPACE_KIND,
  NODE_KIND,
  POD_KIND,
} from '@fso/shared/kube';
import { beforeAll, describe, expect, it } from 'vitest';
import { planFloor } from '../../agent/enforce/index.ts';
import { policyOf } from '../../agent/enforce/testing/policies.ts';
import { eventually, never as signal } from '../harness/waiting.ts';
import { answerOf, FREE, LOCK_TWO, POLICY_ONE, POLICY_TWO, POLICY_WARN, podOf, regions, useDecisions } from './decision-harness.ts';
import { CONSTRAINT_TAMPERING, FLOOR_TAMPERING } from './decision-tampering.ts';

const bench = useDecisions();

describe('pods from before the policy', () => {
  const LATER = 'later';
  const laterPolicy = policyOf('later', { targetNamespace: LATER, allowedRegions: regions });
  const binding = (target: { kind: string; name: string }) => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name: 'waiting', namespace: LATER },
    target: { apiVersion: 'v1', ...target },
  });
  const bind = (target: { kind: string; name: string }, path = `/api/v1/namespaces/${LATER}/pods/waiting/binding`) =>
    answerOf(bench.client.raw({ method: 'POST', path, body: binding(target), query: { dryRun: 'All' } }, signal));

  beforeAll(async () => {
    await bench.client.create(NAMESPACE_KIND, { metadata: { name: LATER } }, {}, signal);
    await eventually(async () => (await bench.create(podOf(LATER, {}))).admitted);
    const waiting = podOf(LATER, { nodeSelector: { stage: 'open' } }, { name: 'waiting', finalizers: ['example.com/hold'] });
    const gated = podOf(LATER, {}, { name: 'gated' });
    await bench.client.create(POD_KIND, waiting, {}, signal);
    await bench.client.create(POD_KIND, { ...gated, spec: { ...gated.spec, schedulingGates: [{ name: 'example.com/gate' }] } }, {}, signal);
    await bench.govern([POLICY_ONE, POLICY_WARN, laterPolicy]);
    await eventually(async () => !(await bench.create(podOf(LATER, {}))).admitted);
  });

  it('may still be labelled', async () => {
    await bench.client.mergePatch(POD_KIND, { namespace: LATER, name: 'waiting' }, { metadata: { labels: { seen: 'yes' } } }, signal);
  });

  it('may not leave its gate unconfined', async () => {
    const patch = { spec: { schedulingGates: null } };
    const answer = await answerOf(bench.client.mergePatch(POD_KIND, { namespace: LATER, name: 'gated' }, patch, signal));
    expect(answer).toMatchObject({ admitted: false });
    const confined = { spec: { schedulingGates: null, nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } } };
    expect(await answerOf(bench.client.mergePatch(POD_KIND, { namespace: LATER, name: 'gated' }, confined, signal))).toMatchObject({
      admitted: true,
    });
  });

  it('is not bound outside by any user', async () => {
    const outside = await bind({ kind: 'Node', name: 'us-east-1-a' });
    expect(outside).toMatchObject({ admitted: false });
    expect(outside.text).toContain(
      'policy team/later allows regions eu-central-1, eu-west-1 in namespace later: node "us-east-1-a" is in region "us-east-1"',
    );
    expect(await bind({ kind: 'Node', name: 'nowhere' })).toMatchObject({ admitted: false });
    expect(await bind({ kind: '', name: 'eu-west-1-a' })).toMatchObject({ admitted: false });
    expect(await bind({ kind: 'Node', name: 'eu-west-1-a' }, `/api/v1/namespaces/${LATER}/bindings`)).toMatchObject({ admitted: false });
    expect(await bind({ kind: 'Node', name: 'eu-west-1-a' })).toMatchObject({ admitted: true });
  });

  it('is refused by the bind gate until the scheduler finds an allowed node', async () => {
    const pod = { namespace: LATER, name: 'waiting' };
    const stage = (name: string, value: string | null) =>
      bench.client.mergePatch(NODE_KIND, { name }, { metadata: { labels: { stage: value } } }, signal);
    const nodeOf = async () => (await bench.client.get(POD_KIND, pod, signal))?.spec.nodeName;
    await stage('us-east-1-a', 'open');
    await eventually(async () => {
      const path = `/api/v1/namespaces/${LATER}/events`;
      const { object } = await bench.client.raw<{ items: { message: string }[] }>({ method: 'GET', path }, signal);
      return object.items.some(({ message }) => message.includes("'fso-floor-bindings-deny'"));
    });
    expect(await nodeOf()).toBeUndefined();
    await stage('us-east-1-a', null);
    await stage('eu-west-1-a', 'open');
    await eventually(async () => (await nodeOf()) === 'eu-west-1-a');
  });

  it('may be finished: finalizers come off', async () => {
    await bench.client.mergePatch(POD_KIND, { namespace: LATER, name: 'waiting' }, { metadata: { finalizers: null } }, signal);
  });
});

describe("Gatekeeper's audit", () => {
  it('counts unconfined pods, and no pod because of the node that the scheduler chose', async () => {
    const confined = { nodeSelector: { 'topology.kubernetes.io/region': 'eu-west-1' } };
    const AUDITED = 'audited';
    await bench.client.create(NAMESPACE_KIND, { metadata: { name: AUDITED } }, {}, signal);
    await eventually(async () => (await bench.create(podOf(AUDITED, {}))).admitted);
    await bench.client.create(POD_KIND, podOf(AUDITED, {}, { name: 'anywhere' }), {}, signal);
    await bench.client.create(POD_KIND, podOf(AUDITED, confined, { name: 'confined' }), {}, signal);
    await eventually(async () => {
      const pods = await bench.client.list(POD_KIND, { namespace: AUDITED }, signal);
      return pods.every((pod) => pod.spec.nodeName !== undefined);
    });
    const audited = policyOf('audited', { targetNamespace: AUDITED, allowedRegions: regions, enforcementAction: 'dryrun' });
    await bench.installGatekeeperLock([POLICY_TWO, audited]);
    const written = Date.now();
    let found: readonly { name: string; message: string }[] = [];
    await eventually(async () => {
      const constraints = await bench.client.list(GEO_RESIDENCY_KIND, {}, signal);
      const status = constraints.find(({ spec }) => spec?.enforcementAction === 'dryrun')?.status;
      found = status?.violations ?? [];
      // In whole seconds: one of the same second may have been before.
      return Date.parse(status?.auditTimestamp ?? '') > written;
    });
    expect(found.map(({ name }) => name)).toEqual(['anywhere']);
    expect(found[0]?.message).toContain('policy team/audited allows regions');
    await eventually(async () => {
      await bench.runAll(await bench.gatekeeperRound([POLICY_TWO]));
      return (await bench.ownConstraints()).length === 1;
    });
  });
});

describe('plans in a real cluster', () => {
  it('cause no type warnings for the CEL', async () => {
    for (const { metadata, status } of await bench.client.list(ADMISSION_POLICY_KIND, {}, signal)) {
      if (!metadata.name.startsWith('fso-floor-')) continue;
      expect(status?.typeChecking?.expressionWarnings ?? [], metadata.name).toEqual([]);
    }
  });

  const floorRound = async () =>
    planFloor(
      await bench.client.list(ADMISSION_POLICY_KIND, {}, signal),
      await bench.client.list(ADMISSION_POLICY_BINDING_KIND, {}, signal),
      { binders: bench.binders },
    );

  it('have nothing left to do after their writes', async () => {
    expect(await floorRound()).toEqual([]);
    expect(await bench.gatekeeperRound([POLICY_TWO])).toEqual([]);
  });

  it.each(FLOOR_TAMPERING)('restore a floor object in one round: %#', async (kind, spec) => {
    const { object } = await bench.client.mergePatch(kind, { name: 'fso-floor-pods-deny' }, { spec }, signal);
    const actions = await floorRound();
    expect(actions).not.toEqual([]);
    await bench.runAll(actions);
    expect(await floorRound()).toEqual([]);
    // The object is not created again: a new binding is not in force at once.
    expect((await bench.client.get(kind, { name: 'fso-floor-pods-deny' }, signal))?.metadata.uid).toBe(object.metadata.uid);
  });

  it.each(CONSTRAINT_TAMPERING)('restore a constraint in one round: %j', async (spec) => {
    const [constraint] = await bench.ownConstraints();
    const ref = { name: constraint?.metadata.name ?? '' };
    await bench.client.mergePatch(GEO_RESIDENCY_KIND, ref, { spec }, signal);
    const actions = await bench.gatekeeperRound([POLICY_TWO]);
    expect(actions).not.toEqual([]);
    await bench.runAll(actions);
    expect(await bench.gatekeeperRound([POLICY_TWO])).toEqual([]);
    expect((await bench.client.get(GEO_RESIDENCY_KIND, ref, signal))?.metadata.uid).toBe(constraint?.metadata.uid);
    await eventually(async () => !(await bench.create(podOf(LOCK_TWO, {}))).admitted);
  });

  it('pass scoped actions on, and Gatekeeper enforces them', async () => {
    const scoped = (action: 'deny' | 'warn', ...points: (typeof ENFORCEMENT_POINTS)[number][]) => ({
      action,
      enforcementPoints: points.map((name) => ({ name })),
    });
    const custom = policyOf('custom', {
      targetNamespace: FREE,
      allowedRegions: regions,
      enforcementAction: 'custom',
      scopedEnforcementActions: [scoped('deny', 'validation.gatekeeper.sh'), scoped('warn', 'vap.k8s.io')],
    });
    await bench.installGatekeeperLock([POLICY_TWO, custom]);
    expect((await bench.create(podOf(FREE, {}))).text).toContain('policy team/custom allows regions');
    await bench.installGatekeeperLock([POLICY_TWO]);
  });
});
