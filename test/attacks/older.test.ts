import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentHarness } from '../harness/agent-harness.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { eventually } from '../harness/waiting.ts';
import { ALLOWED, Arena } from './arena.ts';
import { BIND_ATTACKS } from './bind-attacks.ts';
import { Campaign } from './campaign.ts';
import { asAttack, CONTROLS } from './controls.ts';
import { LEGACY_PODS } from './legacy-pods.ts';
import { PLACE_ATTACKS } from './place-attacks.ts';
import { podsOf } from './scene.ts';

/**
 * Tests bindings before Kubernetes 1.35. There an API server copies no region to a Binding: lock 2
 * leaves bindings to lock 1, which gets the region of a node only from the agent's list.
 */
describe('bindings on an API server that emulates Kubernetes 1.34', () => {
  const { signal } = new AbortController();
  const attacks = [...BIND_ATTACKS, ...PLACE_ATTACKS].filter(({ shared, hubPolicy }) => !shared && !hubPolicy);
  const controls = CONTROLS.map((control) => ({ ...control, attack: asAttack(control) }));
  let folder: string;
  let arena: Arena;
  let world: AgentHarness;
  let agent: AgentProcess | undefined;
  let campaign: Campaign;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-older-'));
    arena = await Arena.open('older', folder, signal, ['--emulated-version=1.34']);
    world = new AgentHarness(arena.cluster.kubeconfig, signal);
    campaign = await Campaign.prepare(arena, 'older', [...attacks, ...controls.map(({ attack }) => attack), ...LEGACY_PODS]);
    agent = await startAgentProcess(arena.cluster, { folder });
    await world.applyPolicy('attacked', { targetNamespace: 'atk-*', allowedRegions: [...ALLOWED] });
    await world.reaches('attacked', 'Active');
    await arena.cluster.stopGatekeeper('SIGKILL');
  });

  afterAll(async () => {
    await agent?.stop();
    await world?.close();
    await arena?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.concurrent.each(controls)('admits $name', async ({ attack, pods }) => {
    const scene = campaign.scenes.get(attack) ?? expect.fail();
    await attack.steps(scene);
    await eventually(async () => (await podsOf(scene)).filter(({ spec }) => spec.nodeName !== undefined).length === pods);
  });

  it.concurrent.each(LEGACY_PODS)('$name: $tries', async (legacy) => {
    await legacy.steps(campaign.scenes.get(legacy) ?? expect.fail());
  });

  it.concurrent.each(attacks)('$name: $tries', async (attack) => {
    expect(await campaign.run(attack)).toEqual([]);
  });

  it('binds no pod outside in the end', async () => {
    expect(await campaign.allOutside([...attacks, ...controls.map(({ attack }) => attack)])).toEqual([]);
  });
});
