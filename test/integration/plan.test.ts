import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REGION_LABEL, type SovereignPolicySpecInput } from '@fso/shared/api';
import { effectsOf } from '@fso/shared/effects';
import { KubeApiError, POD_KIND } from '@fso/shared/kube';
import type { PlacementSpec } from '@fso/shared/residency';
import { beforeAll, describe, expect, it } from 'vitest';
import { fleet, policy } from '../../shared/effects/testing/policy-sets.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const GATEKEEPER_ALONE = [{ action: 'deny' as const, enforcementPoints: [{ name: 'validation.gatekeeper.sh' as const }] }];

/** Rules, each in a namespace of its own; `free` has none. */
const RULES: Readonly<Record<string, Omit<SovereignPolicySpecInput, 'targetNamespace'> | undefined>> = {
  free: undefined,
  west: { allowedRegions: ['eu-west-1'] },
  eu: { allowedRegions: ['eu-west-1', 'eu-central-1'] },
  us: { allowedRegions: ['us-east-1'] },
  injected: { allowedRegions: ['eu-west-1', 'eu-central-1'], placementInjection: true },
  gatekeeper: { allowedRegions: ['eu-west-1'], enforcementAction: 'custom', scopedEnforcementActions: GATEKEEPER_ALONE },
};
const PAIRS = Object.keys(RULES).flatMap((from) => Object.keys(RULES).map((to) => [from, to] as const));

const fleetWith = (name: string) => {
  const rule = RULES[name];
  return fleet(rule === undefined ? [] : [policy('subject', { ...rule, targetNamespace: 'subject' })]);
};

describe('pods that a plan shows', () => {
  const stop = new AbortController();
  let world: AgentHarness;

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-plan-'));
    const regions = ['eu-west-1', 'eu-central-1', 'us-east-1'];
    const cluster = await startTestCluster({ name: 'plan', stateDir: folder, regions, gatekeeper: true }, stop.signal);
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    const agent = await world.startAgent('first');
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    for (const [name, rule] of Object.entries(RULES)) {
      await world.makeNamespace(name);
      if (rule !== undefined) await world.applyPolicy(name, { ...rule, targetNamespace: name });
    }
    for (const name of Object.keys(RULES).filter((each) => RULES[each] !== undefined)) await world.reaches(name, 'Active');
    await eventually(async () => admits('free', {}));
    await eventually(async () => admits('injected', {}));
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  /** Tries a pod as a dry run, with both locks. */
  const admits = async (namespace: string, spec: PlacementSpec): Promise<boolean> => {
    const pod = { metadata: { name: 'subject', namespace }, spec: { containers: [{ name: 'main', image: 'example.com/none' }], ...spec } };
    try {
      await world.client.create(POD_KIND, pod, { dryRun: true }, stop.signal);
      return true;
    } catch (error) {
      if (!(error instanceof KubeApiError) || error.status !== 403) throw error;
      expect(error.message).toContain(spec.nodeSelector?.[REGION_LABEL] ?? 'nothing in the pod confines it');
      return false;
    }
  };

  it('are admitted and refused by both locks as the plan shows them, for each pair of rules', async () => {
    let tried = 0;
    const expectAnswers = async (pair: readonly string[], pod: PlacementSpec | undefined, expected: readonly boolean[]) => {
      if (pod === undefined) return;
      tried += 1;
      expect([pair, await Promise.all(pair.map((namespace) => admits(namespace, pod)))]).toEqual([pair, expected]);
    };
    for (const [from, to] of PAIRS)
      for (const { refused, admitted } of effectsOf(fleetWith(from), fleetWith(to), ['eu']).effects) {
        await expectAnswers([from, to], refused?.pod, [true, false]);
        await expectAnswers([from, to], admitted ?? undefined, [false, true]);
      }
    expect(tried).toBeGreaterThan(20);
  });
});
