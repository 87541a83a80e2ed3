import { join } from 'node:path';
import { CommitActivity, REGION_LABEL } from '@fso/shared/api';
import { Plan, StoredPlanView } from '@fso/shared/effects';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { type AgentProcess, startAgentProcess } from '../harness/agent-process.ts';
import { ClusterHarness } from '../harness/cluster-harness.ts';
import { accepted, type HubHarness, openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { eventually } from '../harness/waiting.ts';
import { type Placement, specOf } from '../restart/workload.ts';
import { WorkloadCluster } from '../restart/workload-cluster.ts';

const BOTH = ['eu-west-1', 'eu-central-1'];
const inRegions = (...values: readonly string[]): Placement => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key: REGION_LABEL, operator: 'In', values: [...values] }] }],
      },
    },
  },
});
/** Deployments of finance: one is refused before the change, and two more after it. */
const FINANCE = { anywhere: {}, either: inRegions(...BOTH), central: inRegions('eu-central-1'), west: inRegions('eu-west-1') };
/** Templates that the agent makes dry runs of, with that of another namespace. */
const TEMPLATES = Object.keys(FINANCE).length + 1;

/** A control plane with its agent as a process, a hub, and a cluster without an agent. */
describe('a stored plan after the merge', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let world: ClusterHarness;
  let bench: HubHarness;
  let hub: RunningHub;
  let agent: AgentProcess;
  let id: string;

  const fso = (...args: string[]) => runFso(args, { FSO_SERVER: hub.url });
  const stored = async (): Promise<StoredPlanView> => StoredPlanView.parse(JSON.parse((await fso('get', 'plan', id, '-o', 'json')).out));
  const dryRuns = async (): Promise<number> => {
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    const counts = metrics.matchAll(/^fso_agent_template_dry_runs_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };
  const follow = async (revision: string): Promise<string> => {
    hub.source.hint();
    await accepted(hub, revision);
    return revision;
  };

  beforeAll(async () => {
    world = await ClusterHarness.start({ name: 'plan-outcome', gatekeeper: false }, signal);
    const workloads = new WorkloadCluster(world.client, signal);
    for (const namespace of ['finance', 'hr']) await world.makeNamespace(namespace);
    const places = [
      ...Object.entries(FINANCE).map(([name, placement]) => ['finance', name, placement] as const),
      ['hr', 'anywhere', {}] as const,
    ];
    for (const [namespace, name, placement] of places)
      await workloads.create({ kind: 'Deployment', namespace, name }, specOf('Deployment', { name, placement }));
    bench = await openHubHarness();
    const files = {
      'clusters/eu.yaml': clusterFile('eu', BOTH),
      'clusters/us.yaml': clusterFile('us', ['us-east-1']),
      'policies/finance.yaml': policyFile('finance', BOTH),
      'policies/hr.yaml': policyFile('hr', BOTH),
    };
    const revision = await bench.repository.commit(files, 'first');
    hub = await bench.startHub();
    await accepted(hub, revision);
    agent = await startAgentProcess(world.cluster, {
      folder: world.folder,
      env: { FSO_CLUSTER: 'eu', FSO_HUB_URL: hub.agentUrl, FSO_HUB_TOKEN: TOKENS.get('eu') ?? '', FSO_PREVIEW: 'names' },
    });
    await eventually(async () => (await hub.ledger.cluster('eu'))?.report?.provenRevision === revision);
  });
  afterAll(async () => {
    await agent.stop('SIGKILL');
    await world.close();
    await bench.close();
    stop.abort();
  });

  it('predicted what the agent reports of the next start, by number and by name', async () => {
    await bench.repository.git('checkout', '--quiet', '-b', 'change');
    await bench.repository.commit({ 'policies/finance.yaml': policyFile('finance', ['eu-west-1']) }, 'tighten', 'change');
    const work = join(bench.folder, 'work');
    // Dry runs show one next pod after the other, and the agent answers 30 questions an hour.
    let made = 0;
    const plan = await eventually(async () => {
      const now = await dryRuns();
      if (now < made + TEMPLATES) return undefined;
      made = now;
      const { out } = await fso('plan', '--dir', work, '--ref', 'change', '-o', 'json');
      const planned = Plan.parse(JSON.parse(out));
      return planned.workloads?.clusters[0]?.coverage === 'Whole' && planned;
    });
    id = `${plan.id}`;
    expect(plan.workloads?.clusters).toMatchObject([{ cluster: 'eu', refused: { now: 1, after: 3, begins: 2, ends: 0 } }]);
    expect((await stored()).outcome).toEqual({ state: 'NotInForce', revision: null, clusters: [] });

    await bench.repository.git('commit', '--quiet', '--allow-empty', '--message', `accept\n\nAccept-Effects: ${id}`);
    await bench.repository.git('checkout', '--quiet', 'main');
    await bench.repository.git('merge', '--quiet', '--no-ff', '--message', 'Merge the change', 'change');
    await bench.repository.git('push', '--quiet', 'origin', 'main');
    const revision = await follow(await bench.repository.git('rev-parse', 'HEAD'));

    const outcome = await eventually(async () => {
      const { outcome: now } = await stored();
      const [eu] = now?.clusters ?? [];
      return eu?.unknown === null && eu.refused.reported?.from === eu.refused.reported?.to && now;
    });
    const none = { from: 0, to: 0 };
    expect(outcome).toMatchObject({ state: 'InForce', revision });
    expect(outcome.clusters).toMatchObject([
      {
        ...{ cluster: 'eu', outside: { predicted: { now: 0, after: 0, begins: 0, ends: 0 }, reported: none } },
        // No node takes central, which cannot be pending once it is refused.
        pending: { predicted: { now: 1, after: 0, begins: 0, ends: 1 }, reported: none },
        refused: {
          ...{ predicted: { now: 1, after: 3, begins: 2, ends: 0 }, reported: { from: 3, to: 3 } },
          ...{ there: ['Deployment finance/central', 'Deployment finance/either'], missing: [] },
        },
      },
      { cluster: 'us', unknown: 'NotConnected', refused: { predicted: null, reported: null } },
    ]);
    // An agent may not know its cluster for a moment: then the next reading counts.
    const out = await eventually(async () => {
      const text = (await fso('get', 'plan', id)).out;
      return !/\neu +all +Unknown/.test(text) && text;
    });
    expect(out).toMatch(
      /\neu +refused at next start +1 +3 +3 +as predicted +there: Deployment finance\/central, Deployment finance\/either\n/,
    );
    expect(out).toMatch(/\nus +all +Unknown: no agent is connected +not known\n/);
    const commit = CommitActivity.parse(JSON.parse((await fso('get', 'commit', revision, '-o', 'json')).out));
    expect([commit.plan, commit.commit.accepts]).toEqual([id, id]);
  });

  it('is still in force after a commit that changes nothing for its clusters, and differs after another change', async () => {
    const empty = await follow(await bench.repository.commit({ 'README.md': 'policies' }, 'more words'));
    await eventually(async () => {
      const { outcome } = await stored();
      return outcome?.state === 'InForce' && outcome.revision === empty && outcome.clusters[0]?.unknown === null;
    });
    await follow(await bench.repository.commit({ 'policies/finance.yaml': policyFile('finance', BOTH) }, 'take it back'));
    expect(await eventually(async () => (await stored()).outcome?.state === 'Differs')).toBe(true);
    expect((await fso('get', 'plan', id)).out).toContain('the commit in force differs from what was planned');
  });
});
