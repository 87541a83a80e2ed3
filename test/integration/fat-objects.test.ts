import type { SovereignPolicy } from '@fso/shared/api';
import {
  CONSTRAINT_TEMPLATE_KIND,
  CRD_KIND,
  type CustomResourceDefinition,
  type KubeClient,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import nodeSettings from '../../node-settings.json' with { type: 'json' };
import { sovereignPolicyCrd } from '../../shared/gen/crd.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { TEMPLATE_CRD } from '../harness/template-crd.ts';
import { eventually, never, waitFor } from '../harness/waiting.ts';

/**
 * Heap of the agent. Either the policies or the templates would fill it beside what an agent needs
 * for itself, if they were kept whole.
 */
const HEAP_MB = 96;
const POLICIES = 130;
const TEMPLATES = 40;
const AT_ONCE = 4;

const texts = (count: number, length: number, prefix: string): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}-`.padEnd(length, 'x'));

/** A policy of half a megabyte, the most that its CRD admits of a placement with few keys. */
const fatPolicy = (index: number): SovereignPolicy => {
  const matchExpressions = texts(32, 63, `k${index}`).map((key) => ({
    key,
    operator: 'In' as const,
    values: texts(100, 63, key.slice(0, 8)),
  }));
  const clusterNames = texts(1_000, 253, `c${index}`);
  return {
    metadata: { name: `fat-${index}`, namespace: 'team-a' },
    spec: {
      targetNamespace: 'team-a',
      allowedRegions: ['eu-west-1'],
      enforcementAction: 'deny',
      placement: { clusterNames, clusterSelector: { matchExpressions } },
    },
  };
};

/** A template of about a megabyte. */
const fatTemplate = (index: number) => ({ metadata: { name: `fat-${index}` }, spec: { junk: texts(60_000, 14, `k${index}`) } });

const createAll = async (count: number, create: (index: number) => Promise<unknown>): Promise<void> => {
  const indexes = Array.from({ length: count }, (_, index) => index);
  await mapConcurrently(indexes, AT_ONCE, create);
};

/** Resident memory of an agent in MB, as it says itself. */
const residentMb = async ({ url }: AgentProcess): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^process_resident_memory_bytes(?:{.*})? (\S+)$/m.exec(text)?.[1]) / 1e6;
};

/** Users decide on the size of what they may create. */
describe('large objects of any number', () => {
  let world: ClusterHarness;
  let client: KubeClient;

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'fat', gatekeeper: false }, never);
    client = world.client;
    await Promise.all(['finance', 'team-a'].map((name) => world.makeNamespace(name)));
    for (const definition of [sovereignPolicyCrd() as CustomResourceDefinition, TEMPLATE_CRD])
      await client.apply(CRD_KIND, definition, { fieldManager: 'test' }, never);
    await eventually(() => client.list(SOVEREIGN_POLICY_KIND, {}, never));
    await eventually(() => client.list(CONSTRAINT_TEMPLATE_KIND, {}, never));
    await createAll(POLICIES, (index) => client.create(SOVEREIGN_POLICY_KIND, fatPolicy(index), {}, never));
    await createAll(TEMPLATES, (index) => client.create(CONSTRAINT_TEMPLATE_KIND, fatTemplate(index), {}, never));
  });

  afterAll(async () => {
    await world?.close();
  });

  it('stop no agent, neither at its start nor while it runs', async () => {
    const env = {
      NODE_OPTIONS: `${nodeSettings.NODE_OPTIONS} --max-old-space-size=${HEAP_MB}`,
      FSO_GATEKEEPER_GRACE_MS: '1000',
      // Half a gigabyte is parsed here: beside other work, a short lease would be lost again and
      // again.
      FSO_LEASE_DURATION_MS: '60000',
    };
    const agent = await startAgentProcess(world.cluster, { folder: world.folder, env });
    try {
      await world.applyPolicy('finance', { targetNamespace: 'finance', allowedRegions: ['eu-west-1'] });
      await waitFor(async () => {
        agent.assertRunning();
        const { status } = (await world.policy('finance')) ?? {};
        expect(status?.phase, `${JSON.stringify(status)}\n${agent.log()}`).toBe('Active');
      });
      // One beyond those of a namespace that are honoured.
      await waitFor(async () => {
        const policy = await client.get(SOVEREIGN_POLICY_KIND, { namespace: 'team-a', name: `fat-${POLICIES - 1}` }, never);
        expect(policy?.status?.phase, agent.log()).toBe('Failed');
      });
      expect((await fetch(`${agent.url}/healthz`)).ok).toBe(true);
      console.log(`${POLICIES} policies and ${TEMPLATES} templates: the agent takes ${Math.round(await residentMb(agent))} MB`);
    } finally {
      await agent.stop();
    }
  });
});
