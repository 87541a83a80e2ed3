import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { type ClusterDenials, CONDITIONS, type KubeObject, REGION_LABEL } from '@fso/shared/api';
import { EVENT_KIND, type KindDescriptor, POD_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AuditEvent, readAuditEvents } from '../harness/audit-logs.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const INSIDE = 'eu-west-1';
const NAMESPACES = ['a', 'b', 'c', 'd'].map((letter) => `team-${letter}`);
const OWNERS = Array.from({ length: 10 }, (_, index) => `web-${index}`);
const FINE = 'fine';
const REFUSALS = 2_000;
const FORGED = 500;

const DEPLOYMENT: KindDescriptor = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespaced: true };
const REPLICA_SET: KindDescriptor = { ...DEPLOYMENT, kind: 'ReplicaSet', plural: 'replicasets' };
const ENDPOINT_SLICE: KindDescriptor = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
};

const podSpec = (name: string) => ({
  containers: [{ name: 'main', image: 'app:1' }],
  ...(name === FINE && { nodeSelector: { [REGION_LABEL]: INSIDE } }),
});

const deploymentOf = (namespace: string, name: string): KubeObject =>
  ({
    metadata: { namespace, name },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: podSpec(name) },
    },
  }) as KubeObject;

interface PodEvent extends AuditEvent {
  readonly responseStatus?: { readonly code?: number; readonly message?: string };
}

describe('denials', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;
  /** All that the agent said, to be judged at the end. */
  const said: ClusterDenials[] = [];

  const cases = NAMESPACES.flatMap((namespace) => OWNERS.map((name) => ({ namespace, name })));
  const denials = (): ClusterDenials | undefined => agent.observatory.snapshot().cluster.denials;
  const conditionOf = (type: string) => agent.observatory.snapshot().cluster.conditions.find((condition) => condition.type === type);

  /** Pods that lock 1 refused to all but the agent, by the audit log. */
  const refusedPods = async (): Promise<number> => {
    let count = 0;
    for await (const event of readAuditEvents(join(folder, 'audit.log'))) {
      const { userAgent = '', responseStatus } = event as PodEvent;
      if (!userAgent.startsWith('fso-agent/') && responseStatus?.message?.includes('fso-floor-') === true) count += 1;
    }
    return count;
  };

  /** Dry runs of the agent without an answer, which lock 1 may have refused all the same. */
  const unanswered = async (): Promise<number> => {
    const page = await (await fetch(`${agent.url}/metrics`)).text();
    const series = /^fso_agent_(?:probes_total\{result="inconclusive"|template_dry_runs_total\{result="unanswered")\} (\d+)$/gm;
    return [...page.matchAll(series)].reduce((sum, [, value]) => sum + Number(value), 0);
  };

  const scale = (namespace: string, name: string, replicas: number) =>
    world.client.mergePatch(DEPLOYMENT, { namespace, name }, { spec: { replicas } }, signal);

  /** Asks for a pod as the controller of a ReplicaSet does, which then writes no event of it. */
  const attempt = ({ metadata: { namespace = '', name, uid } }: KubeObject): Promise<string> => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name, uid, controller: true }];
    const pod = { metadata: { namespace, generateName: `${name}-`, ownerReferences }, spec: podSpec('') };
    return refusalOf(world.client.create(POD_KIND, pod as unknown as KubeObject as never, {}, signal));
  };

  const forge = (namespace: string, name: string, index: number): Promise<unknown> => {
    const event = {
      metadata: { namespace, name: `forged-${index}` },
      involvedObject: { apiVersion: 'apps/v1', kind: 'Deployment', namespace, name },
      reason: 'FailedCreate',
      message: `Error creating: pods "${name}" is forbidden: ValidatingAdmissionPolicy 'fso-floor-pods-deny' with binding 'fso-floor-pods-deny' denied request: forged`,
      type: 'Warning',
      count: 1_000,
    };
    return world.client.create(EVENT_KIND, event as never, {}, signal);
  };

  /** Half of them about owners whose dry run is admitted. */
  const forgeAll = async (): Promise<void> => {
    for (let index = 0; index < FORGED; index += 10)
      await Promise.all(
        Array.from({ length: 10 }, (_, offset) =>
          forge(NAMESPACES[offset % NAMESPACES.length] ?? '', offset % 2 === 0 ? FINE : 'web-0', index + offset),
        ),
      );
  };

  /** Attempts whose events are dropped, as those of controllers are. */
  const attemptUntil = async (replicaSets: readonly KubeObject[], isEnough: () => Promise<boolean>): Promise<void> => {
    while (!(await isEnough())) {
      const refusals = await Promise.all(replicaSets.map(attempt));
      for (const refusal of refusals) expect(refusal).toContain('fso-floor-pods-deny');
    }
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-denials-'));
    const audited = {
      apiVersion: 'audit.k8s.io/v1',
      kind: 'Policy',
      omitStages: ['RequestReceived'],
      rules: [{ level: 'Metadata', verbs: ['create'], resources: [{ group: '', resources: ['pods'] }] }, { level: 'None' }],
    };
    await writeFile(join(folder, 'audit.json'), JSON.stringify(audited));
    const apiServerArgs = [`--audit-policy-file=${join(folder, 'audit.json')}`, `--audit-log-path=${join(folder, 'audit.log')}`];
    cluster = await startTestCluster(
      { name: 'denials', stateDir: join(folder, 'cluster'), regions: [INSIDE], gatekeeper: false, apiServerArgs },
      signal,
    );
    world = new AgentHarness(cluster.kubeconfig, signal);
    await Promise.all(NAMESPACES.map((namespace) => world.makeNamespace(namespace)));
    for (const namespace of NAMESPACES)
      await Promise.all([...OWNERS, FINE].map((name) => world.client.create(DEPLOYMENT, deploymentOf(namespace, name), {}, signal)));
    agent = await world.startAgent('denials', { readDenialsEveryMs: 500 });
    agent.observatory.onChange(() => {
      const now = denials();
      if (now !== undefined && now !== said.at(-1)) said.push(now);
    });
    await eventually(() => agent.observatory.snapshot().cluster.conditions.length > 0);
    await Promise.all(
      NAMESPACES.map((namespace) => world.applyPolicy(namespace, { targetNamespace: namespace, allowedRegions: [INSIDE] })),
    );
    // All templates are asked for, one a second.
    for (const namespace of NAMESPACES)
      await eventually(async () => {
        const risks = (await world.policy(namespace))?.status?.risks;
        return risks?.refused === OWNERS.length && risks.unconfirmed === 0;
      });
    await eventually(() => denials()?.pods != null);
  });

  afterAll(async () => {
    stop.abort();
    await world.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('are counted by the API server, and named as far as events and dry runs agree: 2,000 by 40 owners, with 500 forged events', async () => {
    const [before, refusedBefore] = [denials()?.pods ?? 0, await refusedPods()];
    const replicaSets = (await world.client.list(REPLICA_SET, {}, signal)).filter(({ metadata }) => metadata.name.startsWith('web-'));
    expect(replicaSets).toHaveLength(cases.length);
    // The controllers' own attempts, with their events.
    for (const { namespace, name } of cases) await scale(namespace, name, 2);
    await eventually(() => denials()?.owners === cases.length);
    await forgeAll();
    await attemptUntil(replicaSets, async () => (await refusedPods()) - refusedBefore >= REFUSALS);
    for (const { namespace, name } of cases) await scale(namespace, name, 0);
    const now = await eventually(async () => {
      const last = denials();
      // All that were counted before anyone else asked are such dry runs.
      const own = before + (await unanswered());
      const beyond = (last?.pods ?? 0) - ((await refusedPods()) - refusedBefore);
      return beyond >= 0 && beyond <= own ? last : undefined;
    });
    expect(now.pods).toBeGreaterThanOrEqual(REFUSALS);
    expect(now.owners).toBe(cases.length);
    expect(now.denials.map(({ namespace, name }) => `${namespace}/${name}`).sort()).toEqual(
      cases.map(({ namespace, name }) => `${namespace}/${name}`).sort(),
    );
    expect(now.named).toBeGreaterThanOrEqual(cases.length);
    // Most of the attempts have no event, so that they have no owner.
    expect(now.named).toBeLessThan(now.pods ?? 0);
    const [first] = now.denials;
    expect(first).toMatchObject({
      kind: 'Deployment',
      reason: 'nothing in the pod confines it to a region',
      fix: expect.stringContaining('spec.template.spec'),
    });
  });

  it('never names more refusals than are counted, nor an owner whose dry run is admitted', () => {
    expect(said.length).toBeGreaterThan(2);
    for (const { pods, named, denials: owners } of said) {
      expect(named).toBeLessThanOrEqual(pods ?? 0);
      expect(owners.reduce((sum, { count = 0 }) => sum + count, 0)).toBeLessThanOrEqual(named);
      expect(owners.filter(({ name }) => name === FINE)).toEqual([]);
    }
  });

  it('are in the status of their policy, with the term that fails and the line that mends it', async () => {
    await eventually(async () => {
      const statuses = await Promise.all(NAMESPACES.map((namespace) => world.policy(namespace)));
      return statuses.every((policy) => policy?.status?.denials?.owners === OWNERS.length);
    });
    const { status } = (await world.policy('team-a')) ?? {};
    expect(status?.denials?.named).toHaveLength(OWNERS.length);
    expect(status?.denials?.named[0]).toMatchObject({ namespace: 'team-a', name: 'web-0', reason: expect.stringContaining('region') });
  });

  it('are partial as long as the number of API servers is not known, or is more than one', async () => {
    expect(conditionOf(CONDITIONS.denialsKnown)).toMatchObject({ status: 'False', reason: 'Partial' });
    const slice = (addresses: readonly string[]) => ({
      metadata: { namespace: 'default', name: 'kubernetes' },
      addressType: 'IPv4',
      endpoints: addresses.map((address) => ({ addresses: [address] })),
      ports: [],
    });
    const publish = (...addresses: string[]) =>
      world.client.apply(ENDPOINT_SLICE, slice(addresses) as KubeObject, { fieldManager: 'test', force: true }, signal);
    await publish('192.0.2.1');
    await eventually(() => conditionOf(CONDITIONS.denialsKnown)?.status === 'True');
    await publish('192.0.2.1', '192.0.2.2');
    await eventually(() => conditionOf(CONDITIONS.denialsKnown)?.message.includes('2 API servers'));
  });
});
