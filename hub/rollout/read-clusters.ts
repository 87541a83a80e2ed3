import { CONDITIONS } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { weakMemo } from '@fso/shared/runtime';
import { type ClusterRecord, countViolations, namedIn } from '../ledger/index.ts';
import type { Facts, RolloutCluster } from './waves/index.ts';

/**
 * Time since when a cluster is away, in ms since 1970: its last contact, or when this hub began to
 * watch. null: it is observed now.
 */
const awaySince = ({ connected, notObserved, lastSeen }: ClusterRecord, watchingSince: number): number | null => {
  if (connected && notObserved === null) return null;
  const since = connected ? notObserved?.since : lastSeen?.at;
  return Math.max(since === undefined ? 0 : Date.parse(since), watchingSince);
};

/** Facts that gates compare, of a cluster that is observed now. */
const factsOf = ({ policies, report }: ClusterRecord): Facts => {
  const status = report?.conditions.find(({ type }) => type === CONDITIONS.risksKnown)?.status;
  const violations = countViolations(policies);
  const risks = [...namedIn(policies).values()].flatMap((named) => named.risks ?? []);
  const sumOf = (count: (risk: (typeof risks)[number]) => number): number => risks.reduce((sum, each) => sum + count(each), 0);
  // A webhook may mend pods of which no dry run was made yet.
  const isUnknown = status === undefined || status === 'Unknown' || sumOf(({ untried = 0 }) => untried) > 0;
  if (isUnknown) return { violations, refused: null, pending: null };
  return { violations, refused: sumOf(({ refused }) => refused), pending: sumOf(({ pending }) => pending) };
};

type Labels = RolloutCluster['labels'];
type Enforced = Omit<RolloutCluster, 'name' | 'labels' | 'isRegistered'>;

const UNSEEN: Omit<Enforced, 'awaySince'> = {
  accepted: null,
  had: [],
  proven: null,
  refused: null,
  lacking: null,
  enforced: null,
  held: null,
  wasSeenLeaving: false,
  facts: null,
};

const ASKS_AGAIN: readonly (string | undefined)[] = ['object-missing', 'chain-incomplete'];

/** Whether an agent lacks objects of a commit: it asks for them again, and may take it then. */
const isLacking = ({ reasons }: NonNullable<ClusterRecord['nack']>): boolean => reasons.every(({ code }) => ASKS_AGAIN.includes(code));

/** Commits that a cluster has accepted or was offered; what it refused it does not have. */
export const hadBy = ({ acked, nack, offeredRevision }: ClusterRecord, target: string | null): readonly string[] => {
  const refused = nack !== null && !isLacking(nack) ? nack.revision : null;
  const had: string[] = acked === null ? [] : [acked.revision];
  for (const each of [offeredRevision, target]) if (each !== null && each !== refused && !had.includes(each)) had.push(each);
  return had;
};

/** Facts that a cluster is read from; equal ones read equally. */
interface Readings {
  /** undefined: the hub does not know it. `lastSeen`, which moves, is not read while connected. */
  readonly record: ClusterRecord | undefined;
  readonly labels: Labels;
  readonly isRegistered: boolean;
  readonly watchingSince: number;
  readonly target: string | null;
  /** Digest of what it gets of the commit that it has accepted; undefined: that cannot be read. */
  readonly digest: string | undefined;
}

/** Commit that an agent has refused, or of which it lacks objects. */
const refusalOf = ({ nack, report }: ClusterRecord, held: Enforced['held']): Pick<Enforced, 'refused' | 'lacking'> => {
  // It had refused what it has verified since, as for want of an object.
  const isVerified = nack !== null && [held?.revision, report?.verifiedRevision].includes(nack.revision);
  if (nack === null || isVerified) return { refused: null, lacking: null };
  return isLacking(nack) ? { refused: null, lacking: nack.revision } : { refused: nack.revision, lacking: null };
};

/** Reads what a cluster has from its record. */
const enforcedBy = (record: ClusterRecord, { watchingSince, target, digest }: Readings): Enforced => {
  const { acked, baseline, report } = record;
  const away = awaySince(record, watchingSince);
  const accepted = acked?.revision ?? null;
  const held = (away === null ? report?.held : undefined) ?? null;
  const isReported = away === null && report !== null && report.revision === accepted;
  return {
    accepted,
    had: hadBy(record, target),
    proven: isReported ? report.provenRevision : null,
    ...refusalOf(record, held),
    enforced: acked === null ? null : (digest ?? acked.digest ?? baseline?.list ?? null),
    held,
    awaySince: away,
    wasSeenLeaving: away !== null && away > watchingSince,
    facts: away === null && report !== null ? factsOf(record) : null,
  };
};

const readCluster = (name: string, readings: Readings): RolloutCluster => {
  const { record, labels, isRegistered, watchingSince } = readings;
  const has = record === undefined ? { ...UNSEEN, awaySince: watchingSince } : enforcedBy(record, readings);
  return { name, labels, isRegistered, ...has };
};

const isEqual = (left: Readings, right: Readings): boolean =>
  left.record === right.record &&
  left.labels === right.labels &&
  left.isRegistered === right.isRegistered &&
  left.watchingSince === right.watchingSince &&
  left.target === right.target &&
  left.digest === right.digest;

/** State of the fleet from which each look at a rollout in waves reads its clusters. */
export interface FleetOfRun {
  readonly newest: PolicySet;
  /** undefined: the base cannot be read. */
  readonly base: PolicySet | undefined;
  readonly records: readonly ClusterRecord[];
  /** Time since when this hub watches, in ms since 1970: before it, no cluster counts as away. */
  readonly watchingSince: number;
  readonly digestOf: (cluster: string, revision: string) => string | undefined;
  /** Commit that this hub has a cluster have; null: none yet. */
  readonly targetOf: (cluster: string) => string | null;
}

const NO_LABELS: Labels = {};

/** Labels of the clusters that a commit registers. The same object for the same commit. */
const labelsIn = weakMemo(
  ({ clusters }: PolicySet): ReadonlyMap<string, Labels> =>
    new Map(clusters.map(({ document: { metadata } }) => [metadata.name, metadata.labels ?? NO_LABELS])),
);

const NOBODY: ReadonlyMap<string, Labels> = new Map();

/**
 * Reads the clusters of a rollout. One of which nothing has changed since the last time is the same
 * object as then, so that a look at a large fleet costs what has changed in it.
 */
export class ClusterReader {
  #known: ReadonlyMap<string, { readonly readings: Readings; readonly cluster: RolloutCluster }> = new Map();

  /**
   * @returns clusters by name: those that the newest commit or the base registers. Labels are those
   * of the base, so that a commit does not choose its own wave.
   */
  read({ newest, base, records, watchingSince, digestOf, targetOf }: FleetOfRun): ReadonlyMap<string, RolloutCluster> {
    const byName = new Map(records.map((record) => [record.name, record]));
    const registered = labelsIn(newest);
    const before = base === undefined ? NOBODY : labelsIn(base);
    const names = new Set([...registered.keys(), ...before.keys()]);
    const known = new Map<string, { readonly readings: Readings; readonly cluster: RolloutCluster }>();
    const clusters = new Map<string, RolloutCluster>();
    for (const name of names) {
      const record = byName.get(name);
      const revision = record?.acked?.revision;
      const readings = {
        record,
        labels: before.get(name) ?? registered.get(name) ?? NO_LABELS,
        isRegistered: registered.has(name),
        watchingSince,
        target: targetOf(name),
        digest: revision === undefined ? undefined : digestOf(name, revision),
      };
      const last = this.#known.get(name);
      const read = last !== undefined && isEqual(last.readings, readings) ? last : { readings, cluster: readCluster(name, readings) };
      known.set(name, read);
      clusters.set(name, read.cluster);
    }
    this.#known = known;
    return clusters;
  }
}
