import { CONDITIONS } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
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
  const had = [acked?.revision, ...[offeredRevision, target].filter((each) => each !== refused)];
  return [...new Set(had)].filter((each) => each !== undefined && each !== null);
};

/** Digest of what a cluster gets of the commit that it has accepted; null: it is not known. */
const digestHad = ({ name, acked, baseline }: ClusterRecord, digestOf: FleetOfRun['digestOf']): string | null =>
  acked === null ? null : (digestOf(name, acked.revision) ?? acked.digest ?? baseline?.list ?? null);

/** Commit that an agent has refused, or of which it lacks objects. */
const refusalOf = ({ nack }: ClusterRecord, held: Enforced['held']): Pick<Enforced, 'refused' | 'lacking'> => {
  // It had refused for want of an object what it holds now.
  if (nack === null || nack.revision === held?.revision) return { refused: null, lacking: null };
  return isLacking(nack) ? { refused: null, lacking: nack.revision } : { refused: nack.revision, lacking: null };
};

/** Reads what a cluster has from its record. */
const enforcedBy = (
  record: ClusterRecord,
  { watchingSince, digestOf, targetOf }: Omit<FleetOfRun, 'newest' | 'base' | 'records'>,
): Enforced => {
  const { acked, report } = record;
  const away = awaySince(record, watchingSince);
  const accepted = acked?.revision ?? null;
  const held = (away === null ? report?.held : undefined) ?? null;
  const isReported = away === null && report !== null && report.revision === accepted;
  return {
    accepted,
    had: hadBy(record, targetOf(record.name)),
    proven: isReported ? report.provenRevision : null,
    ...refusalOf(record, held),
    enforced: digestHad(record, digestOf),
    held,
    awaySince: away,
    wasSeenLeaving: away !== null && away > watchingSince,
    facts: away === null && report !== null ? factsOf(record) : null,
  };
};

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

/**
 * The clusters of a rollout, by name: those that the newest commit or the base registers. Labels
 * are those of the base, so that a commit does not choose its own wave.
 */
export const readClusters = ({ newest, base, records, ...asOf }: FleetOfRun): ReadonlyMap<string, RolloutCluster> => {
  const byName = new Map(records.map((record) => [record.name, record]));
  const registered = new Set(newest.clusters.map(({ document }) => document.metadata.name));
  const labels = new Map(
    [...newest.clusters, ...(base?.clusters ?? [])].map(({ document: { metadata } }) => [metadata.name, metadata.labels ?? {}]),
  );
  return new Map(
    [...labels].map(([name, its]) => {
      const record = byName.get(name);
      const has = record === undefined ? { ...UNSEEN, awaySince: asOf.watchingSince } : enforcedBy(record, asOf);
      return [name, { name, labels: its, isRegistered: registered.has(name), ...has }];
    }),
  );
};
