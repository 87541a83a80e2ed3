import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { GEO_RESIDENCY_KIND, type KubeClient, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isConstraintEnforced } from '../../agent/enforce/index.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { GATEKEEPER_WEBHOOKS, removeFloor } from '../harness/locks.ts';
import { eventually } from '../harness/waiting.ts';
import { ALLOWED, Arena } from './arena.ts';
import { Campaign } from './campaign.ts';
import { CATALOGUE } from './catalogue.ts';
import { asAttack, CONTROLS } from './controls.ts';
import { LEGACY_PODS } from './legacy-pods.ts';
import { NAMESPACE_ATTACKS } from './namespace-attacks.ts';
import { type Attack, podsOf } from './scene.ts';

/**
 * Every attack of the catalogue, once without locks, to show that it works, then against both locks
 * and against each alone. Whatever the responses to its requests were: no pod of a governed
 * namespace may be bound to a node outside of its regions.
 */

const { signal } = new AbortController();
const controls = CONTROLS.map((control) => ({ ...control, attack: asAttack(control) }));
const withPods = [...controls.map(({ attack }) => attack), ...LEGACY_PODS];
const governed = [...CATALOGUE, ...withPods];
/** Attacks beside those on the locks themselves. */
const withoutLocks = CATALOGUE.filter(({ shared, hubPolicy }) => !shared && !hubPolicy);

let folder: string;
let arena: Arena;
let world: AgentHarness;
let agent: AgentProcess | undefined;
const campaigns = new Map<string, Campaign>();

const campaign = (setting: string): Campaign => campaigns.get(setting) ?? expect.fail(`${setting} is not prepared`);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-attacks-'));
  arena = await Arena.open('attacks', folder, signal);
  world = new AgentHarness(arena.cluster.kubeconfig, signal);
  for (const setting of ['both', 'one', 'two']) campaigns.set(setting, await Campaign.prepare(arena, setting, governed));
  campaigns.set('bare', await Campaign.prepare(arena, 'bare', [...NAMESPACE_ATTACKS, ...withPods]));
  campaigns.set('free', await Campaign.prepare(arena, 'free', withoutLocks));
});

afterAll(async () => {
  await agent?.stop();
  await world?.close();
  await arena?.close();
  await rm(folder, { recursive: true, force: true });
});

describe('without locks', () => {
  it.concurrent.each(withoutLocks)('$name: $tries', async (attack) => {
    const outside = await campaign('free').run(attack);
    if (attack.harmlessBecause === undefined) expect(outside).not.toEqual([]);
    else expect(outside, attack.harmlessBecause).toEqual([]);
  });
});

const attackAll = (setting: string, attacks: readonly Attack[] = CATALOGUE): void => {
  const run = async (attack: Attack): Promise<void> => {
    expect(await campaign(setting).run(attack)).toEqual([]);
  };
  it.concurrent.each(controls)('admits $name', async ({ attack, pods }) => {
    const scene = campaign(setting).scenes.get(attack) ?? expect.fail();
    await attack.steps(scene);
    await eventually(async () => (await podsOf(scene)).filter(({ spec }) => spec.nodeName !== undefined).length === pods);
  });
  it.concurrent.each(LEGACY_PODS)('$name: $tries', async (legacy) => {
    await legacy.steps(campaign(setting).scenes.get(legacy) ?? expect.fail());
  });
  it.concurrent.each(attacks.filter(({ shared }) => !shared))('$name: $tries', run);
  it.each(attacks.filter(({ shared }) => shared))('$name: $tries', run);
  it('binds no pod outside in the end', async () => {
    expect(await campaign(setting).allOutside([...attacks, ...controls.map(({ attack }) => attack)])).toEqual([]);
  });
};

/**
 * Writes it with the agent's own identity, as the intake does; an attack on a hub's policy needs no
 * hub.
 */
const writeHubPolicies = async (asAgent: KubeClient): Promise<string[]> => {
  const scenes = [...campaigns.values()].flatMap(({ scenes: all }) => [...all]);
  const names = scenes.filter(([attack]) => attack.hubPolicy).map(([, { namespace }]) => namespace);
  for (const name of names) {
    const metadata = { namespace: SYSTEM_NAMESPACE, name, labels: { [LABELS.managedBy]: 'hub' } };
    const body = { metadata, spec: { targetNamespace: name, allowedRegions: [...ALLOWED] } };
    await asAgent.create(SOVEREIGN_POLICY_KIND, body as never, {}, signal);
  }
  return names;
};

const isRefusedBy = async (namespace: string, lock: string): Promise<boolean> => {
  const text = await world.tryPod(namespace);
  if (text.includes(lock)) return true;
  throw new Error(`${namespace}: ${text}`);
};

/** Waits until this lock refuses a pod without a region in every namespace of the attacks. */
const everywhereRefusedBy = async (lock: string, setting: string): Promise<void> => {
  for (const { namespace } of campaign(setting).scenes.values()) await eventually(() => isRefusedBy(namespace, lock));
};

const LOCK_ONE = "ValidatingAdmissionPolicy 'fso-floor-";
const LOCK_TWO = 'admission webhook "validation.gatekeeper.sh"';

describe('both locks', () => {
  beforeAll(async () => {
    agent = await startAgentProcess(arena.cluster, { folder });
    await world.applyPolicy('attacked', { targetNamespace: 'atk-*', allowedRegions: [...ALLOWED] });
    const hubPolicies = await writeHubPolicies(arena.connect(agent.kubeconfig));
    await eventually(async () => {
      const policies = await world.client.list(SOVEREIGN_POLICY_KIND, {}, signal);
      const open = policies.filter(({ status }) => status?.phase !== 'Active' || status.enforcement?.gatekeeper.state !== 'Enforced');
      if (open.length > 0) throw new Error(JSON.stringify(open.map(({ metadata, status }) => [metadata.name, status?.message])));
      return policies.length === hubPolicies.length + 1;
    });
    await everywhereRefusedBy(LOCK_ONE, 'both');
  });
  attackAll('both');
});

describe('lock 1 alone: Gatekeeper was killed', () => {
  beforeAll(async () => {
    await arena.cluster.stopGatekeeper('SIGKILL');
    await everywhereRefusedBy(LOCK_ONE, 'one');
  });
  attackAll('one');
});

/**
 * Tests lock 1 without Gatekeeper. While Gatekeeper is down, its webhook on namespaces refuses
 * every change of one: removed here, it does not shield lock 1.
 */
describe('lock 1 alone: there is no Gatekeeper', () => {
  beforeAll(async () => {
    await arena.admin.raw({ method: 'DELETE', path: GATEKEEPER_WEBHOOKS }, signal);
    await everywhereRefusedBy(LOCK_ONE, 'bare');
  });
  attackAll('bare', NAMESPACE_ATTACKS);
});

describe('lock 2 alone: the agent is stopped, and the floor was deleted', () => {
  beforeAll(async () => {
    await arena.cluster.startGatekeeper();
    // The last attacks were on it, and the agent has to repair it first.
    await eventually(async () => {
      const constraints = await world.client.list(GEO_RESIDENCY_KIND, {}, signal);
      return constraints.length > 0 && constraints.every(isConstraintEnforced);
    });
    await agent?.stop('SIGKILL');
    await removeFloor(arena.admin, signal);
    await everywhereRefusedBy(LOCK_TWO, 'two');
  });
  attackAll(
    'two',
    CATALOGUE.filter(({ ownersOfLockTwo }) => ownersOfLockTwo === undefined),
  );
});
