import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { type AnsweredPreview, type KubeObject, type PreviewedClass, REGION_LABEL } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { NODE_KIND, POD_KIND } from '@fso/shared/kube';
import type { Preview } from '@fso/shared/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningAgent } from '../../agent/agent.ts';
import { AgentHarness } from '../harness/agent-harness.ts';
import { makeObjectRepository, type ObjectRepository } from '../harness/git-objects.ts';
import { TOKENS } from '../harness/hub-harness.ts';
import { refusalOf } from '../harness/kube-client.ts';
import { startTestCluster } from '../harness/local-cluster.ts';
import { clusterFile, policyFile } from '../harness/policy-files.ts';
import { type ScriptedHub, startScriptedHub } from '../harness/scripted-hub.ts';
import { eventually, waitFor } from '../harness/waiting.ts';
import { PodAudit } from '../restart/refusals.ts';
import { keyOf, type Placement, specOf, type WorkloadKind } from '../restart/workload.ts';
import { WorkloadCluster } from '../restart/workload-cluster.ts';

const [WEST, CENTRAL, US] = ['eu-west-1', 'eu-central-1', 'us-east-1'];
const ALL = [CENTRAL, WEST, US].sort(byText);
const inRegion = (region: string): Placement => ({ nodeSelector: { [REGION_LABEL]: region } });

/** Workloads of each kind, by what they ask for. */
const ASKED = {
  west: inRegion(WEST),
  central: inRegion(CENTRAL),
  us: inRegion(US),
  anywhere: {},
  waits: { nodeSelector: { [REGION_LABEL]: WEST, disk: 'none-has-it' } },
};
/** Those in the namespace with placement injection. */
const INJECTED = { plain: {}, ssd: { nodeSelector: { disk: 'ssd' } } };
const NAMESPACES = ['apps', 'injected', 'shapes'] as const;
const STOPPABLE: readonly WorkloadKind[] = ['Deployment', 'StatefulSet', 'ReplicaSet', 'ReplicationController', 'Job', 'CronJob'];
/** Sets of workloads, each started once: a controller that was refused waits longer each time. */
const SETS = ['first', 'second', 'third'] as const;

/** Number of workloads that wait for a disk. A Job started by hand counts beside its CronJob. */
const waitingWith = (started: number): number => SETS.length * STOPPABLE.length + started;

interface Ref {
  readonly kind: WorkloadKind;
  readonly namespace: string;
  readonly name: string;
}

const refsOf = (set: string): readonly (Ref & { readonly placement: Placement })[] => {
  const of = (namespace: string, kind: WorkloadKind, asked: Readonly<Record<string, Placement>>) =>
    Object.entries(asked).map(([name, placement]) => ({ kind, namespace, name: `${set}-${name}`, placement }));
  const daemons = set === 'first' ? of('apps', 'DaemonSet', ASKED) : [];
  return [...daemons, ...STOPPABLE.flatMap((kind) => [...of('apps', kind, ASKED), ...of('injected', kind, INJECTED)])];
};

const isIn =
  (set: string) =>
  (key: string): boolean =>
    key.includes(`/${set}-`);
const keys = (owners: PreviewedClass['owners'] = []): readonly string[] => owners.map(keyOf).sort(byText);

describe('a preview of a change', () => {
  const stop = new AbortController();
  const { signal } = stop;
  let folder: string;
  let cluster: LocalCluster;
  let world: AgentHarness;
  let audit: PodAudit;
  let pods: WorkloadCluster;
  let hub: ScriptedHub;
  let repository: ObjectRepository;
  let agent: RunningAgent;
  let head: string | undefined;
  let asked = 0;

  const specs = (regions: readonly string[]) =>
    NAMESPACES.map((name) => ({
      name,
      spec: {
        targetNamespace: name,
        allowedRegions: regions,
        enforcementAction: 'deny',
        ...(name === 'injected' && { placementInjection: true }),
      },
    }));

  /** Commits that every policy allows these regions, and waits until that is proven. */
  const enforce = async (regions: readonly string[]): Promise<void> => {
    const file = (name: string) => `${policyFile(name, regions)}${name === 'injected' ? '  placementInjection: true\n' : ''}`;
    const policies = Object.fromEntries(NAMESPACES.map((name) => [`policies/${name}.yaml`, file(name)]));
    const next = repository.commit({ 'clusters/test.yaml': clusterFile('test', ALL), ...policies });
    hub.send(await repository.offer(next, null, head));
    head = next;
    await waitFor(() => {
      const { revision, policies, cluster } = agent.observatory.snapshot();
      const unproven = [...policies].filter(([, { proven }]) => !proven).map(([key, { report }]) => [key, report.phase, report.message]);
      expect(revision?.facts.provenRevision, JSON.stringify({ ...revision?.facts, unproven, cluster })).toBe(next);
    });
  };

  const ask = async (question: Partial<Preview>): Promise<AnsweredPreview> => {
    asked += 1;
    const list = agent.observatory.snapshot().revision?.accepted?.digest ?? null;
    hub.send({ type: 'preview', id: asked, list, put: [], removed: [], at: null, withoutRegions: [], ...question });
    const { answer } = await eventually(() => hub.got('previewed').find(({ id }) => id === asked));
    if (answer.state !== 'Answered') throw new Error(`${answer.reason}: ${answer.message}`);
    return answer;
  };

  const dryRuns = async (): Promise<number> => {
    const metrics = await (await fetch(`${agent.url}/metrics`)).text();
    const counts = metrics.matchAll(/^fso_agent_template_dry_runs_total\{.*\} (\d+)$/gm);
    return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
  };

  /** Asks until all is judged whole, now and then: an agent answers 30 questions an hour. */
  const askOnceTried = async (question: Partial<Preview>): Promise<AnsweredPreview> => {
    let made = 0;
    return eventually(async () => {
      const now = await dryRuns();
      if (now < made + 20) return undefined;
      made = now;
      const answer = await ask(question);
      return answer.omitted === 0 && answer;
    });
  };

  const createPod = (name: string) => {
    const labels = { owner: 'Pod', app: name };
    const spec = { ...inRegion(CENTRAL), containers: [{ name: 'main', image: 'app:1' }] };
    return world.client.create(POD_KIND, { metadata: { namespace: 'shapes', name, labels }, spec } as KubeObject as never, {}, signal);
  };

  /** Owners whose pods run in other regions than these. */
  const runningOutside = async (regions: readonly string[]): Promise<readonly string[]> => {
    const nodes = new Map((await world.client.list(NODE_KIND, {}, signal)).map(({ metadata }) => [metadata.name, metadata.labels]));
    const outside = (await pods.pods()).filter(({ spec, status }) => {
      const region = nodes.get(spec.nodeName ?? '')?.[REGION_LABEL];
      return status?.phase === 'Running' && region !== undefined && !regions.includes(region);
    });
    const owners = outside.map(({ metadata: { namespace = '', labels = {} } }) =>
      keyOf({ kind: labels['owner'] ?? '', namespace, name: labels['app'] ?? '' }),
    );
    return [...new Set(owners)].sort(byText);
  };

  /** Owners at risk now, as statuses of their policies have it. */
  const atRisk = (risk: 'Refused' | 'Pending'): readonly string[] =>
    [...agent.observatory.snapshot().policies.values()].flatMap(({ report }) =>
      (report.risks?.named ?? []).filter((each) => each.risk === risk).map(keyOf),
    );

  const refusedSince = async (began: string, set: string) => [...(await audit.read(began)).refused].filter(isIn(set)).sort(byText);

  const create = ({ placement, ...ref }: ReturnType<typeof refsOf>[number], runs: boolean): Promise<void> => {
    const isScaled = ref.kind !== 'Job' && ref.kind !== 'CronJob';
    return pods.create(ref, { ...specOf(ref.kind, { name: ref.name, placement }), ...(!runs && isScaled && { replicas: 0 }) });
  };

  /** Labels nodes, and creates the namespaces and all workloads: of the first set they run. */
  const fill = async (): Promise<void> => {
    for (const name of [`${CENTRAL}-a`, `${CENTRAL}-b`])
      await world.client.mergePatch(NODE_KIND, { name }, { metadata: { labels: { disk: 'ssd' } } }, signal);
    for (const name of NAMESPACES) await world.makeNamespace(name);
    await Promise.all(SETS.flatMap((set) => refsOf(set).map((ref) => create(ref, set === 'first'))));
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fso-previews-'));
    audit = await PodAudit.open(folder, 'previews');
    const { apiServerArgs } = audit;
    cluster = await startTestCluster(
      { name: 'previews', stateDir: join(folder, 'cluster'), regions: ALL, gatekeeper: false, apiServerArgs },
      signal,
    );
    world = new AgentHarness(cluster.kubeconfig, signal);
    pods = new WorkloadCluster(world.client, signal);
    await fill();
    hub = await startScriptedHub();
    repository = makeObjectRepository();
    agent = await world.startAgent('previews', {
      hub: { url: hub.url, token: TOKENS.get('eu'), enrolToken: undefined, ca: undefined },
      preview: 'names',
      // In each term of a leader all proofs begin again, which takes minutes here.
      leaseDurationMs: 60_000,
    });
    await eventually(() => hub.got('hello').length > 0);
    await enforce(ALL);
    await createPod('runner-4711');
    await eventually(async () => (await world.client.get(POD_KIND, { namespace: 'shapes', name: 'runner-4711' }, signal))?.spec.nodeName);
    await world.client.raw(
      { method: 'DELETE', path: '/api/v1/namespaces/shapes/pods/runner-4711', query: { gracePeriodSeconds: '0' } },
      signal,
    );
  });

  afterAll(async () => {
    stop.abort();
    await world.close();
    await hub.close();
    repository.remove();
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('names what the merge refuses, leaves pending and leaves outside, and nothing else, for a tighter list', async () => {
    const refusedNow = [...STOPPABLE.flatMap((kind) => SETS.map((set) => keyOf({ kind, namespace: 'apps', name: `${set}-anywhere` })))];
    await eventually(() => refusedNow.every((key) => atRisk('Refused').includes(key)));
    await eventually(async () => (await runningOutside([WEST])).some((key) => key.startsWith('DaemonSet')));
    const answer = await askOnceTried({ put: specs([WEST]) });
    expect(answer.outside).toMatchObject({ now: 0, ends: 0 });
    expect(keys(answer.outside.owners)).toEqual(await runningOutside([WEST]));
    expect(answer.refused).toMatchObject({ now: refusedNow.length, ends: 0 });
    expect(keys(answer.refused.owners)).toContain('Pod shapes/runner-*');
    const began = new Date().toISOString();
    await enforce([WEST]);
    await pods.restart(refsOf('first'));
    const refused = [...keys(answer.refused.owners), ...refusedNow].filter(isIn('first')).sort(byText);
    await waitFor(async () => expect(await refusedSince(began, 'first')).toEqual(refused));
    const pendingNow = STOPPABLE.map((kind) => keyOf({ kind, namespace: 'apps', name: 'first-waits' }));
    const isDaemon = (key: string): boolean => key.startsWith('DaemonSet');
    const pending = [...keys(answer.pending.owners), ...pendingNow].filter(isIn('first'));
    const waiting = pending.filter((key) => !isDaemon(key)).sort(byText);
    await waitFor(async () => expect((await pods.outcomes()).unschedulable).toEqual(waiting));
    await waitFor(async () => expect(Object.keys((await pods.outcomes()).waiting).sort(byText)).toEqual(pending.filter(isDaemon)));
    expect(await refusalOf(createPod('runner-4712'))).toContain(`allows region "${CENTRAL}"`);
    const others = refsOf('first')
      .map(keyOf)
      .filter((key) => !isDaemon(key));
    const bound = others.filter((key) => ![...refused, ...waiting].includes(key)).sort(byText);
    await waitFor(async () => expect((await pods.outcomes()).bound.filter((key) => isIn('first')(key) && !isDaemon(key))).toEqual(bound));
    // What is enforced now is what was foreseen.
    expect(await ask({ put: specs([WEST]) })).toMatchObject({ lookedAt: { namespaces: 0 } });
  });

  it('counts what the merge no longer refuses for a looser list', async () => {
    const answer = await ask({ put: specs(ALL) });
    expect([answer.refused.begins, answer.pending.begins, answer.outside.begins]).toEqual([0, 0, 0]);
    expect(answer.refused.now - answer.refused.ends).toBe(answer.refused.after);
    const began = new Date().toISOString();
    await enforce(ALL);
    await pods.restart(refsOf('second'));
    const anywhere = STOPPABLE.map((kind) => keyOf({ kind, namespace: 'apps', name: 'second-anywhere' })).sort(byText);
    await waitFor(async () => expect(await refusedSince(began, 'second')).toEqual(anywhere));
    expect(answer.refused.after).toBe(SETS.length * anywhere.length);
    const waiting = STOPPABLE.map((kind) => keyOf({ kind, namespace: 'apps', name: 'second-waits' })).sort(byText);
    await waitFor(async () => expect((await pods.outcomes()).unschedulable.filter(isIn('second'))).toEqual(waiting));
    expect(answer.pending.after).toBe(waitingWith(1));
  });

  it('names what stays pending once the nodes of a region are deleted', async () => {
    const answer = await ask({ withoutRegions: [WEST] });
    expect(answer.pending).toMatchObject({ now: waitingWith(2), ends: 0 });
    expect(answer.refused).toMatchObject({ begins: 0, ends: 0 });
    for (const name of [`${WEST}-a`, `${WEST}-b`]) await world.client.delete(NODE_KIND, { name }, signal);
    await pods.restart(refsOf('third'));
    const waits = STOPPABLE.map((kind) => keyOf({ kind, namespace: 'apps', name: 'third-waits' }));
    const waiting = [...keys(answer.pending.owners).filter(isIn('third')), ...waits].sort(byText);
    await waitFor(async () => expect((await pods.outcomes()).unschedulable.filter(isIn('third'))).toEqual(waiting));
    const bound = refsOf('third')
      .filter(({ name }) => name !== 'third-anywhere')
      .map(keyOf)
      .filter((key) => !waiting.includes(key));
    await waitFor(async () => expect((await pods.outcomes()).bound.filter(isIn('third'))).toEqual(bound.sort(byText)));
  });
});
