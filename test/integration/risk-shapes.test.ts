import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { AGENT_SHAPES, CONDITIONS, type KubeObject, REGION_LABEL, type Risk, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, type KindDescriptor, POD_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { RunningAgent } from '../../agent/agent.ts';
import { unpackJson } from '../../agent/config-map-store.ts';
import { OBSERVATION_LIMITS } from '../../agent/observation/index.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { startMutatingWebhook } from '../harness/mutating-webhook.ts';
import { eventually, waitFor } from '../harness/waiting.ts';

const EU = 'eu-west-1';
const DEPLOYMENT_KIND: KindDescriptor = { apiVersion: 'apps/v1', kind: 'Deployment', plural: 'deployments', namespaced: true };
const WEBHOOKS: KindDescriptor = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  namespaced: false,
};
const Row = z.tuple([z.string(), z.string(), z.string(), z.string()]).rest(z.unknown());
const Stored = z.object({ shapes: z.array(Row), unread: z.array(Row) });
/** Shapes are written every second, and nothing else is faster than usual. */
const LIMITS = { limits: { ...OBSERVATION_LIMITS, shapesMs: 1_000 }, leaderElection: false };

describe('pods that came and went', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;
  let endWebhook: () => Promise<void>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-shapes-'));
    cluster = await startTestCluster(
      { name: 'shapes', stateDir: join(folder, 'cluster'), regions: [EU, 'us-east-1'], gatekeeper: false },
      signal,
    );
    world = new AgentHarness(cluster.kubeconfig, signal);
    endWebhook = await startMutatingWebhook(
      world.client,
      ({ metadata, spec }) => (metadata.labels?.['webhook'] === 'mend' ? { ...spec.nodeSelector, [REGION_LABEL]: EU } : undefined),
      signal,
    );
    await world.makeNamespace('jobs');
    agent = await world.startAgent('first', LIMITS);
    await eventually(() => agent.observatory.snapshot().cluster.conditions.length > 0);
  });

  afterAll(async () => {
    stop.abort();
    await endWebhook();
    await world.close();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const createPod = (name: string, placement: object) =>
    world.client.create(
      POD_KIND,
      { metadata: { namespace: 'jobs', name }, spec: { ...placement, containers: [{ name: 'main', image: 'app:1' }] } } as never,
      {},
      signal,
    );
  const deletePod = (name: string) =>
    world.client.raw({ method: 'DELETE', path: `/api/v1/namespaces/jobs/pods/${name}`, query: { gracePeriodSeconds: '0' } }, signal);
  const risks = async () => (await world.policy('jobs'))?.status?.risks;
  const named = async (name: string): Promise<Risk | undefined> => (await risks())?.named.find((risk) => risk.name === name);
  /** Names of the shapes that are stored, with the hour in which each was seen last. */
  const stored = async (): Promise<ReadonlyMap<string, string>> => {
    const packed = (await world.client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_SHAPES }, signal))?.binaryData;
    const { shapes, unread } = Stored.parse(await unpackJson(packed?.['shapes'] ?? '', 1_000_000));
    return new Map([...shapes, ...unread].map(([_namespace, _kind, name, lastSeen]) => [name, lastSeen]));
  };

  it('are judged though nothing of them runs, with the hour in which they were seen, also by the next leader', async () => {
    await createPod('runner-4711', { nodeSelector: { [REGION_LABEL]: 'us-east-1' } });
    await createPod('fine-4711', { nodeSelector: { [REGION_LABEL]: EU } });
    await eventually(async () => (await world.client.get(POD_KIND, { namespace: 'jobs', name: 'runner-4711' }, signal))?.spec.nodeName);
    await deletePod('runner-4711');
    await deletePod('fine-4711');
    await world.applyPolicy('jobs', { targetNamespace: 'jobs', allowedRegions: [EU] });
    await world.reaches('jobs', 'Active');
    const gone = await eventually(async () => {
      const risk = await named('runner-*');
      return risk?.lastSeen === undefined ? undefined : risk;
    });
    expect(gone).toMatchObject({ risk: 'Refused', kind: 'Pod', namespace: 'jobs', confirmation: 'Unconfirmed' });
    expect(gone.lastSeen).toMatch(/:00:00\.000Z$/);
    expect(await named('fine-*')).toBeUndefined();
    await waitFor(async () => expect((await stored()).get('runner-*')).toBe(gone.lastSeen));
    await world.stopAgent(agent);
    agent = await world.startAgent('second', LIMITS);
    await eventually(() =>
      agent.observatory
        .snapshot()
        .policies.get('default/jobs')
        ?.report.risks?.named.some(({ name }) => name === 'runner-*'),
    );
    expect(await named('runner-*')).toEqual(gone);
  });

  it('leave what a webhook mends untried until a dry run shows it, after a change of leader, and asks again once webhooks change', async () => {
    const template = { metadata: { labels: { app: 'web', webhook: 'mend' } }, spec: { containers: [{ name: 'main', image: 'app:1' }] } };
    const spec = { replicas: 0, selector: { matchLabels: { app: 'web' } }, template };
    await world.client.create(DEPLOYMENT_KIND, { metadata: { namespace: 'jobs', name: 'web' }, spec } as KubeObject, {}, signal);
    await eventually(async () => (await risks())?.mended === 1);
    await world.stopAgent(agent);
    const seen: (string | undefined)[] = [];
    agent = await world.startAgent('third', LIMITS);
    const look = (): void => {
      const { policies, cluster: facts } = agent.observatory.snapshot();
      const found = policies.get('default/jobs')?.report.risks;
      const isKnown = facts.conditions.find(({ type }) => type === CONDITIONS.risksKnown)?.status === 'True';
      const tried = (found?.refused ?? 0) - (found?.untried ?? 0);
      if (isKnown && tried > 1) seen.push(JSON.stringify(found));
    };
    agent.observatory.onChange(look);
    look();
    await eventually(() => agent.observatory.snapshot().policies.get('default/jobs')?.report.risks?.mended === 1);
    // The shape alone is at risk for certain.
    expect(seen).toEqual([]);
    await world.client.delete(WEBHOOKS, { name: 'selectors' }, signal);
    const refused = await eventually(async () => {
      const risk = await named('web');
      return risk?.confirmation === 'Confirmed' ? risk : undefined;
    });
    expect(refused).toMatchObject({ risk: 'Refused', kind: 'Deployment' });
  });

  it('keep the risks from being known whole where they ask for more than is kept, also under the next leader', async () => {
    const known = () => agent.observatory.snapshot().cluster.conditions.find(({ type }) => type === CONDITIONS.risksKnown)?.message ?? '';
    const term = { matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: [EU] }] };
    const nodeSelectorTerms = Array.from({ length: 40 }, () => term);
    const affinity = { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } };
    expect(known()).not.toContain('1 owners are not judged');
    await createPod('vast-4711', { affinity });
    await deletePod('vast-4711');
    await eventually(() => known().includes('1 owners are not judged'));
    await waitFor(async () => expect([...(await stored()).keys()]).toContain('vast-*'));
    await world.stopAgent(agent);
    agent = await world.startAgent('fourth', LIMITS);
    await eventually(() => known().includes('1 owners are not judged'));
  });
});
