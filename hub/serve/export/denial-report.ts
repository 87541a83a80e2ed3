import type { ClusterDenials, DenialReport } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import { areDenialsUnknown } from '../fleet/cluster-entry.ts';
import { countedIn, namedDenials } from '../fleet/findings/denial-lists.ts';
import type { Fleet } from '../fleet/fleet-index.ts';

/** Owners that one report lists. */
const MAX_LISTED = 10_000;

/** Owners that a cluster counts and does not list. */
const unlistedIn = ({ owners, denials }: ClusterDenials): number => Math.max(0, owners - denials.length);

/** Builds the report of all owners whose pods were refused. @param now ms since 1970 */
export const createDenialReport = (fleet: Fleet, now: number): DenialReport => {
  const members = fleet.members();
  const named = namedDenials(fleet);
  const unlisted = members.reduce((sum, { record: { report } }) => sum + (report?.denials ? unlistedIn(report.denials) : 0), 0);
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    denials: named.slice(0, MAX_LISTED).map(({ view }) => view),
    omitted: Math.max(0, named.length - MAX_LISTED) + unlisted,
    clusters: members.flatMap((entry) => {
      const counted = countedIn(entry);
      if (counted === undefined || counted.pods === null) return [];
      return [
        { cluster: entry.record.name, pods: counted.pods, unnamed: Math.max(0, counted.pods - counted.named), minutes: counted.minutes },
      ];
    }),
    unknownClusters: members.filter(areDenialsUnknown).map(({ record }) => record.name),
  };
};

const COLUMNS = ['cluster', 'policies', 'namespace', 'kind', 'name', 'count', 'since', 'last', 'reason', 'fix', 'fresh'] as const;
type Column = (typeof COLUMNS)[number];

/**
 * Yields the lines of the report as a CSV table (RFC 4180); what it does not name is told in lines
 * of their own.
 */
export function* denialLines({ denials, omitted, clusters, unknownClusters }: DenialReport): Generator<string> {
  const note = (reason: string, values: Partial<Record<Column, string>> = {}): string =>
    csvLine(COLUMNS.map((column) => (column === 'reason' ? reason : values[column])));
  yield csvLine(COLUMNS);
  for (const { policies, count, fresh, ...denial } of denials) {
    const texts = { ...denial, policies: policies.join(' '), count: count?.toString(), fresh: String(fresh) };
    yield csvLine(COLUMNS.map((column) => texts[column]));
  }
  for (const { cluster, unnamed } of clusters) if (unnamed > 0) yield note('Without an owner.', { cluster, count: String(unnamed) });
  if (omitted > 0) yield note(`${omitted} more owners are not listed.`);
  for (const cluster of unknownClusters) yield note('Not all is known of this cluster.', { cluster });
}
