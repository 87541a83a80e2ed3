import { CONDITIONS } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import { weakMemo } from '@fso/shared/runtime';
import { type ClusterRecord, countViolations, namedIn } from '../ledger/index.ts';
import type { Facts, RolloutCluster } from './waves/index.ts';

/**
 * Time since when a cluster is away, in milliseconds since 1970: the later of its last contact and
 * the time at which this hub began to watch. Null if the cluster is observed now.
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
  // Owners without a dry run may be no risk: a webhook may change their pods.
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

/**
 * Whether an agent refused a commit for lack of objects only. It asks for these, and may accept.
 */
const isLacking = ({ reasons }: NonNullable<ClusterRecord['nack']>): boolean => reasons.every(({ code }) => ASKS_AGAIN.includes(code));

/** Commits that a cluster has accepted, was offered or is to get, without the one it refused. */
export const hadBy = ({ acked, nack, offeredRevision }: ClusterRecord, target: string | null): readonly string[] => {
  const refused = nack !== null && !isLacking(nack) ? nack.revision : null;
  const had: string[] = acked === null ? [] : [acked.revision];
  for (const each of [offeredRevision, target]) if (each !== null && each !== refused && !had.includes(each)) had.push(each);
  return had;
};

/** Facts from which a cluster is read. A cluster is read again only if one of them changes. */
interface Readings {
  /** undefined if the hub has no record. `lastSeen` is not read while the cluster is connected. */
  readonly record: ClusterRecord | undefined;
  readonly labels: Labels;
  readonly isRegistered: boolean;
  readonly watchingSince: number;
  readonly target: string | null;
  /** Digest of its policies in the commit that it has accepted; undefined if that is unknown. */
  readonly digest: string | undefined;
}

/** Commit that an agent has refused, or of which it lacks objects. */
const refusalOf = ({ nack, report }: ClusterRecord, held: Enforced['held']): Pick<Enforced, 'refused' | 'lacking'> => {
  // The agent has verified the commit after its refusal, which was for a missing object, say.
  const isVerified = nack !== null && [held?.revision, report?.verifiedRevision].includes(nack.revision);
  if (nack === null || isVerified) return { refused: null, lacking: null };
  return isLacking(nack) ? { refused: null, lacking: nack.revision } : { refused: nack.revision, lacking: null };
};

/** Derives what a cluster has and enforces from its record. */
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

/** State of the fleet from which the clusters of a rollout in waves are read. */
export interface FleetOfRun {
  readonly newest: PolicySet;
  /** Policies of the base; undefined if they cannot be read. */
  readonly base: PolicySet | undefined;
  readonly records: readonly ClusterRecord[];
  /** Time since when this hub watches, in milliseconds since 1970. No absence begins before it. */
  readonly watchingSince: number;
  readonly digestOf: (cluster: string, revision: string) => string | undefined;
  /** Commit that this hub wants a cluster to have; null if none yet. */
  readonly targetOf: (cluster: string) => string | null;
}

const NO_LABELS: Labels = {};

/** Labels of the clusters that a commit registers. The same object for the same commit. */
const labelsIn = weakMemo(
  ({ clusters }: PolicySet): ReadonlyMap<string, Labels> =>
    new Map(clusters.map(({ document: { metadata } }) => [metadata.name, metadata.labels ?? NO_LABELS])),
);

const NO_CLUSTERS: ReadonlyMap<string, Labels> = new Map();

/**
 * Reads the clusters of a rollout. A cluster whose facts have not changed stays the same object and
 * is not derived again, so that a large fleet costs little more than its changes.
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
    const before = base === undefined ? NO_CLUSTERS : labelsIn(base);
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
