import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { CONDITIONS } from '@fso/shared/api';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { eventually } from '../harness/waiting.ts';

const NAMESPACES = ['one', 'two', 'three', 'four', 'five'];

/** All objects of lock 1 and of its guard exist, but the API server does not evaluate them. */
describe('an API server that was restarted without ValidatingAdmissionPolicy', () => {
  const stop = new AbortController();
  let cluster: LocalCluster;
  let world: AgentHarness;
  let agent: RunningAgent;

  const guardReady = () => agent.observatory.snapshot().cluster.conditions.find(({ type }) => type === CONDITIONS.guardReady);
  const locks = () => Promise.all(NAMESPACES.map(async (name) => (await world.policy(name))?.status?.enforcement?.admission));
  const messages = () => Promise.all(NAMESPACES.map(async (name) => (await world.policy(name))?.status?.message));
  const all = (state: string) => eventually(async () => (await locks()).every((lock) => lock?.state === state));

  beforeAll(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fso-lock-one-off-'));
    cluster = await startTestCluster({ name: 'off', stateDir: folder, regions: ['eu-west-1'], gatekeeper: false }, stop.signal);
    world = new AgentHarness(cluster.kubeconfig, stop.signal);
    agent = await world.startAgent('first');
    await eventually(async () => (await fetch(`${agent.url}/readyz`)).ok);
    for (const name of NAMESPACES) {
      await world.makeNamespace(name);
      await world.applyPolicy(name, { targetNamespace: name, allowedRegions: ['eu-west-1'] });
    }
    await Promise.all(NAMESPACES.map((name) => world.reaches(name, 'Active')));
    return async () => {
      await world.close();
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    };
  });

  it('is detected, reported on every policy and of the guard, and cleared when it ends', async () => {
    await cluster.restartApiServer(['--disable-admission-plugins=ValidatingAdmissionPolicy']);
    expect(await world.tryPod('one')).toBe('');
    const since = performance.now();
    await all('Degraded');
    console.log(`lock 1 off → reported on all ${NAMESPACES.length} policies: ${((performance.now() - since) / 1000).toFixed(1)} s`);
    // If all proofs start again, as after a restart, each fails on its own before the outage is
    // detected.
    await eventually(async () => (await messages()).every((message) => message?.includes('in every namespace that was probed')));
    await eventually(() => guardReady()?.reason === 'Open');
    expect(guardReady()?.message).toMatch(/guard fso-guard-\w+ does not refuse what it must/);
    await cluster.restartApiServer([]);
    await all('Enforced');
    await eventually(() => guardReady()?.status === 'True');
    expect(await world.tryPod('one')).toContain('allows regions');
  });
});
