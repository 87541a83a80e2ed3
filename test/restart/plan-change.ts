import { setTimeout as delay } from 'node:timers/promises';
import type { Workloads } from '@fso/shared/effects';
import { waitFor } from '../harness/waiting.ts';
import { fleetKey, type HubAnswers } from './hub-answers.ts';
import { type Classes, type Comparison, classesOf, missingIn, unique } from './owner-classes.ts';
import { CLUSTERS } from './regions.ts';
import { CHANGED } from './restart-world.ts';

/** Most plans until agents have judged everything. A caller may request 20 an hour. */
const MAX_PLANS = 15;
const AGAIN_MS = 4_000;
/** Time in ms within which the hub receives the last dry runs. */
const SETTLE_MS = 120_000;

/** Plans the change repeatedly, until a plan has judged every owner completely. */
const planWhole = async ({ client }: HubAnswers): Promise<Workloads> => {
  for (let made = 1; ; made += 1) {
    const { workloads } = await client.plan({ files: { ...CHANGED } });
    const open = workloads?.clusters.filter(({ coverage }) => coverage !== 'Whole') ?? [];
    if (workloads !== null && workloads.clusters.length === CLUSTERS.length && open.length === 0) return workloads;
    if (made === MAX_PLANS) throw new Error(`the plan is not whole: ${JSON.stringify({ open, missing: workloads?.notAnswered })}`);
    await delay(AGAIN_MS);
  }
};

type ClassName = 'outside' | 'refused' | 'pending';

/** Plan of the change: the owners of each class afterwards. */
interface Planned extends Classes {
  readonly outside: readonly string[];
  /** Counts of the plan, compared with the owners that it names. */
  readonly counts: Comparison;
}

const countIn = (cluster: string, ...keys: readonly (readonly string[])[]): number =>
  keys.flat().filter((key) => key.startsWith(`${cluster} `)).length;

const textOf = (cluster: string, refused: number, pending: number): string => `${cluster}: ${refused} refused, ${pending} pending`;

/**
 * Reads the hub's predictions of the next start, once it has as many owners as the plan started
 * with.
 */
const readBefore = async (answers: HubAnswers, clusters: Workloads['clusters']): Promise<Classes> => {
  const read = async (): Promise<Classes> => classesOf(await answers.risks());
  return waitFor(async () => {
    const before = await read();
    for (const { cluster, refused, pending } of clusters) {
      const [now, known] = [
        textOf(cluster, refused.now ?? 0, pending.now ?? 0),
        textOf(cluster, countIn(cluster, before.refused), countIn(cluster, before.pending, before.waiting)),
      ];
      if (now !== known) throw new Error(`the hub says ${known}, the plan ${now}`);
    }
    return before;
  }, SETTLE_MS).catch(read);
};

/**
 * Plans the change. The plan names the owners that enter a class; the others of the class are those
 * that the hub predicted before the merge.
 */
export const planChange = async (answers: HubAnswers): Promise<Planned> => {
  const { clusters } = await planWhole(answers);
  const named = (name: ClassName) =>
    clusters.flatMap(({ cluster, ...classes }) => (classes[name].owners ?? []).map((owner) => ({ ...owner, cluster })));
  const come = classesOf([
    ...named('refused').map((owner) => ({ ...owner, risk: 'Refused' as const })),
    ...named('pending').map((owner) => ({ ...owner, risk: 'Pending' as const })),
  ]);
  const before = await readBefore(answers, clusters);
  const refused = unique([...before.refused, ...come.refused]);
  const pending = unique([...missingIn(before.pending, refused), ...come.pending]);
  const waiting = unique([...before.waiting, ...come.waiting]);
  const outside = unique(named('outside').map(fleetKey));
  const said = clusters.map((each) => textOf(each.cluster, each.refused.after ?? 0, each.pending.after ?? 0));
  const done = CLUSTERS.map((name) => textOf(name, countIn(name, refused), countIn(name, pending, waiting)));
  return { refused, pending, waiting, outside, counts: { what: 'plan: its counts, as it names owners', said, done } };
};
