import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import {
  type ClusterEvent,
  CONDITIONS,
  INJECTION_LABEL,
  type KubeObject,
  REGION_LABEL,
  type SovereignPolicySpecInput,
} from '@fso/shared/api';
import { DEPLOYMENT_KIND, type Deployment, POD_KIND, type Pod } from '@fso/shared/kube';
import { decideResidency, type NodeSelectorTerm, type PlacementSpec } from '@fso/shared/residency';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { injectionKinds } from '../../agent/enforce/index.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { type LabelledNode, matchesNode } from '../harness/matches-node.ts';
import { eventually } from '../harness/waiting.ts';
import { affinity, byNodeName, CASES, on } from './decision-cases.ts';
import { anyPlacement } from './placements.ts';

const EU = ['eu-central-1', 'eu-west-1'];
const REGIONS = [...EU, 'us-east-1'];
/** Injected; pods that are still outside are refused. */
const DENIED = 'denied';
/** Injected; pods outside only cause a warning, so that the test sees the result of any pod. */
const WARNED = 'warned';
const KINDS = injectionKinds('v1');
const OBJECT = { name: 'fso-placement-injection' };

const requirement = { key: REGION_LABEL, operator: 'In', values: EU };
const speaksOfRegion = ({ matchExpressions = [] }: NodeSelectorTerm): boolean => matchExpressions.some(({ key }) => key === REGION_LABEL);
const isEmpty = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): boolean =>
  matchExpressions.length + matchFields.length === 0;
const termsOf = (spec: PlacementSpec): readonly NodeSelectorTerm[] | undefined =>
  spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;

/** A term as the API server stores it: without empty lists. */
const stored = ({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm): NodeSelectorTerm => ({
  ...(matchExpressions.length > 0 ? { matchExpressions } : {}),
  ...(matchFields.length > 0 ? { matchFields } : {}),
});

/** The expected terms of a pod, computed independently. */
const expectedTerms = (spec: PlacementSpec): readonly NodeSelectorTerm[] | undefined => {
  const terms = termsOf(spec)?.map(stored);
  if (spec.nodeName !== undefined || spec.nodeSelector?.[REGION_LABEL] !== undefined) return terms;
  if (terms === undefined) return [{ matchExpressions: [requirement] }];
  return terms.map((term) =>
    isEmpty(term) || speaksOfRegion(term) ? term : { ...term, matchExpressions: [...(term.matchExpressions ?? []), requirement] },
  );
};

const NODES: readonly LabelledNode[] = [undefined, ...REGIONS, 'us-west-2', 'never-named'].flatMap((region) =>
  [undefined, 'ssd', '9'].flatMap((disk) =>
    ['eu-west-1-a', 'other'].map((name) => ({
      name,
      labels: { ...(region === undefined ? {} : { [REGION_LABEL]: region }), ...(disk === undefined ? {} : { disk }) },
    })),
  ),
);

const widenedNodes = (before: PlacementSpec, after: PlacementSpec): number =>
  NODES.filter((node) => matchesNode(after, node) && !matchesNode(before, node)).length;

const saysRegion = (spec: PlacementSpec): boolean =>
  spec.nodeSelector?.[REGION_LABEL] !== undefined || (termsOf(spec) ?? []).some(speaksOfRegion);

describe('placement injection', () => {
  const stop = new AbortController();
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;
  const events: ClusterEvent[] = [];
  const asking = (targetNamespace: string, more: Partial<SovereignPolicySpecInput> = {}): SovereignPolicySpecInput => ({
    targetNamespace,
    allowedRegions: EU,
    placementInjection: true,
    ...more,
  });

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-injection-'));
    cluster = await startTestCluster({ name: 'injection', stateDir: folder, regions: REGIONS, gatekeeper: true }, stop.signal);
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    agent = await world.startAgent('first');
    agent.observatory.onEvent((event) => events.push(event));
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    await Promise.all([DENIED, WARNED, 'mixed'].map((name) => world.makeNamespace(name)));
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  const podOf = (namespace: string, spec: PlacementSpec, metadata: Partial<Pod['metadata']> = {}): Pod => ({
    metadata: { name: 'subject', namespace, ...metadata },
    spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...spec },
  });
  const tryOut = (namespace: string, spec: PlacementSpec) =>
    world.client.create(POD_KIND, podOf(namespace, spec), { dryRun: true }, stop.signal);
  const createPod = (namespace: string, name: string, spec: PlacementSpec) =>
    world.client.create(POD_KIND, podOf(namespace, spec, { name }), {}, stop.signal);
  const injects = (namespace: string) =>
    eventually(async () => termsOf((await tryOut(namespace, {})).object.spec)?.[0]?.matchExpressions?.[0]?.key === REGION_LABEL);

  it('changes nothing, and has no condition, until a policy asks for it', async () => {
    await world.applyPolicy('denied', { ...asking(DENIED), placementInjection: false });
    await world.reaches('denied', 'Active');
    expect(await world.conditionOf('denied', CONDITIONS.placementInjection)).toBeUndefined();
    expect(await world.client.get(KINDS.policy, OBJECT, stop.signal)).toBeUndefined();
    expect(await world.tryPod(DENIED)).toContain('nothing in the pod confines it to a region');
    await createPod(DENIED, 'old', { nodeSelector: { [REGION_LABEL]: 'eu-west-1', disk: 'none' } });
  });

  it('becomes active, proven by both locks, and reports it', async () => {
    await world.applyPolicy('denied', asking(DENIED));
    await world.applyPolicy('warned', asking(WARNED, { enforcementAction: 'warn' }));
    await Promise.all([injects(DENIED), injects(WARNED)]);
    await eventually(async () => (await world.conditionOf('denied', CONDITIONS.placementInjection))?.status === 'True');
    const policy = await world.reaches('denied', 'Active');
    await world.reaches('warned', 'Active');
    expect(policy.status?.enforcement).toMatchObject({
      admission: { state: 'Enforced' },
      binding: { state: 'Enforced' },
      gatekeeper: { state: 'Enforced' },
    });
  });

  it('does not change an update of an older pod', async () => {
    const { object } = await world.client.mergePatch(
      POD_KIND,
      { namespace: DENIED, name: 'old' },
      { metadata: { labels: { seen: 'yes' } } },
      stop.signal,
    );
    expect(object.metadata.labels).toMatchObject({ seen: 'yes' });
    expect(object.spec.affinity).toBeUndefined();
  });

  it.each(CASES.filter(({ pod }) => pod.ownerReferences === undefined))('adds only the missing requirements: $name', async ({ pod }) => {
    const { object, warnings } = await tryOut(WARNED, pod);
    expect(termsOf(object.spec)?.map(stored)).toEqual(expectedTerms(pod));
    expect({ nodeSelector: object.spec.nodeSelector, nodeName: object.spec.nodeName }).toEqual({
      nodeSelector: pod.nodeSelector,
      nodeName: pod.nodeName,
    });
    // Kubernetes itself warns of the legacy key.
    expect(warnings.some((text) => text.includes('policy default/warned'))).toBe(!decideResidency(object.spec, EU).admitted);
  });

  it('keeps preferences', async () => {
    const preferred = [{ weight: 1, preference: { matchExpressions: [{ key: 'disk', operator: 'Exists' }] } }];
    const podAntiAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', labelSelector: {} }] };
    for (const given of [
      {},
      { podAntiAffinity },
      { nodeAffinity: {} },
      { podAntiAffinity, nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: preferred } },
    ]) {
      const { object } = await tryOut(DENIED, { affinity: given } as PlacementSpec);
      const { nodeAffinity = {}, ...others } = given as { nodeAffinity?: object };
      expect(object.spec.affinity).toEqual({
        ...others,
        nodeAffinity: {
          ...nodeAffinity,
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [requirement] }] },
        },
      });
    }
  });

  it('never widens a placement, and its result passes both locks, for any placement', async () => {
    let widened = 0;
    await fc.assert(
      fc.asyncProperty(anyPlacement, async (placement) => {
        const { object, warnings } = await tryOut(WARNED, placement);
        const after = object.spec;
        expect(termsOf(after)?.map(stored)).toEqual(expectedTerms(placement));
        widened += widenedNodes(placement, after);
        const decision = decideResidency(after, EU);
        // Each lock warns separately; both see the mutated pod.
        expect(warnings.length).toBe(decision.admitted ? 0 : 2);
        expect(decision.admitted || saysRegion(placement)).toBe(true);
      }),
      { numRuns: 300 },
    );
    expect(widened).toBe(0);
  });

  it('still refuses a pod that names a region outside, or a node', async () => {
    expect(await world.tryPod(DENIED, 'us-east-1')).toContain('us-east-1');
    await expect(tryOut(DENIED, affinity({ matchExpressions: [on('NotIn', 'us-east-1')] }))).rejects.toThrow('fso-floor-pods-deny');
    await expect(tryOut(DENIED, { nodeName: 'eu-west-1-a' })).rejects.toThrow('spec.nodeName bypasses the scheduler');
  });

  it('adds the region also to a term that names a node, except for pods of a DaemonSet', async () => {
    const { object } = await tryOut(DENIED, affinity(byNodeName));
    expect(termsOf(object.spec)).toEqual([{ ...byNodeName, matchExpressions: [requirement] }]);
    const template = {
      metadata: { labels: { app: 'each' } },
      spec: { containers: [{ name: 'main', image: 'example.com/none' }], tolerations: [{ operator: 'Exists' }] },
    };
    const body = { metadata: { name: 'each', namespace: DENIED }, spec: { selector: { matchLabels: { app: 'each' } }, template } };
    const kind = { apiVersion: 'apps/v1', kind: 'DaemonSet', plural: 'daemonsets', namespaced: true };
    await world.client.create(kind, body as KubeObject, {}, stop.signal);
    const pods = await eventually(async () => {
      const made = await world.client.list(POD_KIND, { namespace: DENIED, labelSelector: 'app=each' }, stop.signal);
      return made.length === 6 && made.filter(({ spec }) => spec.nodeName?.startsWith('eu-')).length === 4 && made;
    });
    for (const { spec } of pods) expect(termsOf(spec)?.map(({ matchExpressions }) => matchExpressions)).toEqual([undefined]);
    expect(pods.filter(({ spec }) => spec.nodeName?.startsWith('us-'))).toEqual([]);
    await world.client.delete(kind, { namespace: DENIED, name: 'each' }, stop.signal);
  });

  it('places a Deployment without a region inside, without a warning', async () => {
    const template = { metadata: { labels: { app: 'plain' } }, spec: { containers: [{ name: 'main', image: 'example.com/none' }] } };
    const spec = { replicas: 6, selector: { matchLabels: { app: 'plain' } }, template };
    const body = { metadata: { name: 'plain', namespace: DENIED }, spec } as Deployment;
    expect((await world.client.create(DEPLOYMENT_KIND, body, {}, stop.signal)).warnings).toEqual([]);
    const pods = await eventually(async () => {
      const made = await world.client.list(POD_KIND, { namespace: DENIED, labelSelector: 'app=plain' }, stop.signal);
      return made.length === 6 && made.every(({ status }) => status?.phase === 'Running') && made;
    });
    for (const { spec: placed } of pods) expect(placed.nodeName).toMatch(/^eu-/);
  });

  it('adds the regions of the strongest action, and none if none is left', async () => {
    await world.applyPolicy('mixed', asking('mixed', { allowedRegions: ['us-east-1'], enforcementAction: 'warn' }));
    await world.applyPolicy('mixed-deny', { targetNamespace: 'mixed', allowedRegions: ['eu-west-1'] });
    await eventually(async () => {
      const { object, warnings } = await tryOut('mixed', {});
      return termsOf(object.spec)?.[0]?.matchExpressions?.[0]?.values?.join() === 'eu-west-1' && warnings.length > 0;
    });
    await world.applyPolicy('mixed-deny', { targetNamespace: 'mixed', allowedRegions: ['eu-west-1'], enforcementAction: 'dryrun' });
    await world.applyPolicy('mixed-too', { targetNamespace: 'mixed', allowedRegions: ['eu-west-1'], enforcementAction: 'warn' });
    await eventually(async () => (await world.conditionOf('mixed', CONDITIONS.placementInjection))?.reason === 'NothingToInject');
    await eventually(async () => termsOf((await tryOut('mixed', {})).object.spec) === undefined);
    await world.removePolicies('mixed', 'mixed-deny', 'mixed-too');
  });

  it('is restored after a deletion or change, and the label goes with the last request', async () => {
    const uid = (await world.client.get(KINDS.policy, OBJECT, stop.signal))?.metadata.uid;
    await world.client.delete(KINDS.policy, OBJECT, stop.signal);
    await eventually(async () => {
      const object = await world.client.get(KINDS.policy, OBJECT, stop.signal);
      return object !== undefined && object.metadata.uid !== uid;
    });
    await eventually(() =>
      events.some(({ reason, message }) => reason === 'TamperingRepaired' && message.includes('MutatingAdmissionPolicy/')),
    );
    await world.client.mergePatch(KINDS.policy, OBJECT, { spec: { reinvocationPolicy: 'Never' } }, stop.signal);
    await eventually(async () => {
      const spec = (await world.client.get(KINDS.policy, OBJECT, stop.signal))?.spec as { reinvocationPolicy?: string };
      return spec.reinvocationPolicy === 'IfNeeded';
    });
    await injects(DENIED);
    await world.applyPolicy('denied', { ...asking(DENIED), placementInjection: false });
    await eventually(async () => (await world.namespace(DENIED))?.metadata.labels?.[INJECTION_LABEL] === undefined);
    await eventually(async () => (await world.tryPod(DENIED)).includes('nothing in the pod confines it'));
    await eventually(async () => (await world.conditionOf('denied', CONDITIONS.placementInjection)) === undefined);
    expect(await world.client.get(KINDS.policy, OBJECT, stop.signal)).toBeDefined();
    await world.applyPolicy('warned', { ...asking(WARNED, { enforcementAction: 'warn' }), placementInjection: false });
    await eventually(async () => (await world.namespace(WARNED))?.metadata.labels?.[INJECTION_LABEL] === undefined);
    await eventually(async () => (await world.conditionOf('warned', CONDITIONS.placementInjection)) === undefined);
    // Nobody asks for them any more; that no policy can make them come and go they stay, and still
    // are put back.
    const kept = (await world.client.get(KINDS.policy, OBJECT, stop.signal))?.metadata.uid;
    await world.client.delete(KINDS.binding, OBJECT, stop.signal);
    await eventually(async () => (await world.client.get(KINDS.binding, OBJECT, stop.signal)) !== undefined);
    expect((await world.client.get(KINDS.policy, OBJECT, stop.signal))?.metadata.uid).toBe(kept);
  });
});
