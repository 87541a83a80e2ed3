import type { RiskView } from '@fso/shared/api';
import { messageOf } from '@fso/shared/runtime';
import { waitFor } from '../harness/waiting.ts';
import { generateWorkloads, WATCHED, type Workload } from './generate-workloads.ts';
import { fleetKey, type HubAnswers } from './hub-answers.ts';
import { type Classes, type Comparison, classesOf, isDaemonSet, isSame, missingIn, unique } from './owner-classes.ts';
import { planChange } from './plan-change.ts';
import type { RestartCluster } from './restart-cluster.ts';
import { type RestartWorld, withRestartWorld } from './restart-world.ts';
import { isUntemplated } from './workload.ts';

/** Outcome of a run. */
export interface RestartResult {
  readonly workloads: readonly Workload[];
  readonly comparisons: readonly Comparison[];
}

type Log = (line: string) => void;

/** Describes the differences in the comparisons; empty if there are none. */
export const differencesOf = (comparisons: readonly Comparison[], workloads: readonly Workload[]): readonly string[] => {
  const recipes = new Map(workloads.map((each) => [fleetKey(each), each.recipe]));
  const line = (what: string, key: string): string => `${what}: ${key} (${recipes.get(key) ?? 'of no workload'})`;
  return comparisons.flatMap((comparison) => [
    ...missingIn(comparison.said, comparison.done).map((key) => line(`${comparison.what}, said and not so`, key)),
    ...missingIn(comparison.done, comparison.said).map((key) => line(`${comparison.what}, so and not said`, key)),
  ]);
};

/** Whether a dry run can judge the pods of a workload. */
const isTried = ({ kind, isRerun }: Workload): boolean => kind !== 'DaemonSet' && !isUntemplated(kind) && !isRerun;

/** Waits until the agents have tried every template that a dry run can judge. */
const untilTried = async (clusters: readonly RestartCluster[], began: string): Promise<void> => {
  for (const { audit, workloads, name } of clusters) {
    const tried = workloads.filter((each) => isTried(each) && !each.isOver && each.namespace !== WATCHED).map(fleetKey);
    await waitFor(async () => {
      const owners = [...(await audit.read(began)).tried].map((owner) => `${name} ${owner}`);
      const left = missingIn(tried, owners);
      if (left.length > 0) throw new Error(`not tried yet: ${left.join(', ')}`);
    });
  }
};

/**
 * Reads the hub's predictions once they match the purpose of the workloads. If they never do,
 * returns the last ones: Kubernetes decides which side is wrong.
 */
const readSettled = async (answers: HubAnswers, workloads: readonly Workload[], log: Log): Promise<readonly RiskView[]> => {
  const expected = workloads.filter((each) => each.next !== 'None' && !isDaemonSet(each));
  const wanted = classesOf(expected.map((each) => ({ ...each, risk: each.next === 'Refused' ? 'Refused' : 'Pending' })));
  const tried = new Set(workloads.filter(isTried).map(fleetKey));
  let risks: readonly RiskView[] = [];
  const look = async (): Promise<void> => {
    risks = await answers.risks();
    const said = classesOf(risks);
    const classes = (['refused', 'pending'] as const).map((each) => ({ what: each, said: said[each], done: wanted[each] }));
    const differences = differencesOf(classes, workloads);
    const unconfirmed = risks.filter((each) => tried.has(fleetKey(each)) && each.confirmation !== 'Confirmed');
    if (differences.length > 0) throw new Error(differences.join('\n'));
    if (unconfirmed.length > 0) throw new Error(`not confirmed: ${unconfirmed.map(fleetKey).join(', ')}`);
  };
  await waitFor(look, SETTLE_MS).catch((error: unknown) => log(`predictions that the workloads were not made for:\n${messageOf(error)}`));
  return risks;
};

/** Time in ms within which the hub receives the last dry runs. */
const SETTLE_MS = 120_000;

const textOf = (view: RiskView): string => `${view.risk} ${fleetKey(view)}: ${view.reason}`;

/** Compares the output of `fso` with the API. */
const compareCommands = async (answers: HubAnswers, risks: readonly RiskView[]): Promise<readonly Comparison[]> => {
  const [{ cluster, policy } = { cluster: '', policy: '' }] = risks;
  const ofPolicy = risks.filter((each) => each.cluster === cluster && each.policy === policy);
  const ofOnePolicy = await answers.getRisks('--cluster', cluster, '--policy', policy);
  const report = await answers.report();
  const counted = (risk: RiskView['risk'], all: readonly RiskView[], more = 0): readonly string[] => [
    `${all.filter((each) => each.risk === risk).length + more} owners`,
  ];
  const named = report.risks.map(textOf);
  return [
    { what: 'fso get risks', said: (await answers.getRisks()).map(textOf), done: (await answers.client.risks()).map(textOf) },
    { what: 'fso get risks --cluster --policy', said: ofOnePolicy.map(textOf), done: ofPolicy.map(textOf) },
    { what: 'fso report risks, by name', said: named, done: risks.map(textOf).filter((text) => named.includes(text)) },
    {
      what: 'fso report risks, number of the refused',
      said: counted('Refused', report.risks, report.unnamed.refused),
      done: counted('Refused', risks),
    },
    {
      what: 'fso report risks, number of the pending',
      said: counted('Pending', report.risks, report.unnamed.pending),
      done: counted('Pending', risks),
    },
    { what: 'clusters of which not all is known', said: report.unknownClusters, done: [] },
  ];
};

/** Reads how Kubernetes treated the owners of a cluster since the restart. */
const readDone = async ({ name, audit, pods }: RestartCluster, began: string) => {
  const [{ refused, unbound }, { unschedulable, bound, waiting }] = [await audit.read(began), await pods.outcomes()];
  const of = (key: string): string => `${name} ${key}`;
  return {
    refused: [...refused].map(of),
    pending: unschedulable.map(of),
    waiting: Object.entries(waiting).map(([key, count]) => `${of(key)}: ${count}`),
    bound: bound.map(of),
    // The name of a DaemonSet's pod is that of the DaemonSet, a dash and five letters.
    unbound: unique([...unbound].map((pod) => of(`DaemonSet ${pod.slice(0, -6)}`))),
  };
};

interface Foreseen {
  /** Prediction of the hub once the policies are in force. */
  readonly said: Classes;
  /** Prediction of a plan before the merge. */
  readonly planned: Classes;
}

const compareRestart = async ({ clusters }: RestartWorld, { said, planned }: Foreseen, workloads: readonly Workload[], began: string) => {
  const all = await Promise.all(clusters.map((cluster) => readDone(cluster, began)));
  const done = (of: keyof (typeof all)[number]): readonly string[] => unique(all.flatMap((each) => each[of]));
  const atRisk = new Set([...said.refused, ...said.pending]);
  const others = workloads.filter((each) => !isDaemonSet(each) && !each.isOver && !atRisk.has(fleetKey(each))).map(fleetKey);
  const bound = done('bound').filter((key) => others.includes(key));
  return [
    { what: 'plan: refused, as in the audit log', said: planned.refused, done: done('refused') },
    { what: 'plan: pending, as Unschedulable', said: planned.pending, done: done('pending') },
    { what: 'plan: DaemonSets, by pods without a node', said: planned.waiting, done: done('waiting') },
    { what: 'refused, as in the audit log', said: said.refused, done: done('refused') },
    { what: 'pending, as Unschedulable', said: said.pending, done: done('pending') },
    { what: 'DaemonSets, by pods without a node', said: said.waiting, done: done('waiting') },
    {
      what: 'DaemonSets, as bindings refused in the audit log',
      said: unique(said.waiting.map((each) => each.replace(/: \d+$/, ''))),
      done: done('unbound'),
    },
    { what: 'neither, as with a node', said: others, done: bound },
  ] satisfies readonly Comparison[];
};

/** Compares the numbers of pods that run outside of their policies. */
const compareViolations = async ({ clusters, answers }: RestartWorld): Promise<{ owners: readonly string[]; comparison: Comparison }> => {
  const running = await Promise.all(clusters.map(async (cluster) => ({ name: cluster.name, pods: await cluster.running() })));
  const done = running.map(({ name, pods }) => `${name}: ${[...pods.values()].reduce((sum, count) => sum + count, 0)} pods`);
  const said = async () => (await answers.client.clusters()).map(({ name, violations }) => `${name}: ${violations} pods`);
  const what = 'pods that run outside, as violations';
  const comparison = await waitFor(async () => {
    const compared = { what, said: await said(), done };
    if (!isSame(compared)) throw new Error('the hub does not know yet');
    return compared;
  }, SETTLE_MS).catch(async () => ({ what, said: await said(), done }));
  return { owners: running.flatMap(({ name, pods }) => [...pods.keys()].map((key) => `${name} ${key}`)), comparison };
};

/** Runs everything in a new world. */
export const restart = (seed: number, log: Log): Promise<RestartResult> => {
  const workloads = generateWorkloads(seed);
  return withRestartWorld(workloads, async (world) => {
    log('three clusters run, with all workloads; their agents start');
    const started = new Date().toISOString();
    await world.govern();
    await untilTried(world.clusters, started);
    const planned = await planChange(world.answers);
    log('the change is planned; it is merged');
    const governed = new Date().toISOString();
    await world.merge();
    const outside = await compareViolations(world);
    log(`the policies are in force; ${outside.owners.length} owners run outside`);
    await untilTried(world.clusters, governed);
    const risks = await readSettled(world.answers, workloads, log);
    const said = classesOf(risks);
    const commands = await compareCommands(world.answers, risks);
    log('the hub has answered; everything restarts');
    const began = new Date().toISOString();
    const restarted = (cluster: RestartCluster) => cluster.workloads.filter(({ isOver }) => !isOver);
    await Promise.all(world.clusters.map((cluster) => cluster.pods.restart(restarted(cluster))));
    const compare = (): Promise<readonly Comparison[]> => compareRestart(world, { said, planned }, workloads, began);
    const same = async (): Promise<readonly Comparison[]> => {
      const compared = await compare();
      if (!compared.every(isSame)) throw new Error('not the same yet');
      return compared;
    };
    const comparisons = await waitFor(same).catch(compare);
    const denied = outside.owners.filter((key) => !key.includes(` ${WATCHED}/`));
    const plan = [planned.counts, { what: 'plan: owners that run outside', said: planned.outside, done: denied }];
    return { workloads, comparisons: [...plan, outside.comparison, ...commands, ...comparisons] };
  });
};
