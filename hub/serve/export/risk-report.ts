import type { RiskReport } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import { addRisks, areRisksUnknown, NO_RISKS } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';

/** Owners that one report lists. */
const MAX_LISTED = 10_000;

/** Builds the report of all owners at risk. @param now ms since 1970 */
export const createRiskReport = (fleet: Fleet, now: number): RiskReport => {
  const members = fleet.members();
  const named = members.flatMap(({ namedRisks }) => namedRisks);
  const counted = members.reduce((sum, { risks }) => addRisks(sum, risks), NO_RISKS);
  const count = (risk: 'Refused' | 'Pending'): number => named.filter(({ view }) => view.risk === risk).length;
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    risks: named.slice(0, MAX_LISTED).map(({ view }) => view),
    unnamed: { refused: Math.max(0, counted.refused - count('Refused')), pending: Math.max(0, counted.pending - count('Pending')) },
    omitted: Math.max(0, named.length - MAX_LISTED),
    unknownClusters: members.filter(areRisksUnknown).map(({ record }) => record.name),
  };
};

const COLUMNS = [
  'risk',
  'cluster',
  'policy',
  'namespace',
  'kind',
  'name',
  'nodes',
  'confirmation',
  'lastSeen',
  'reason',
  'fix',
  'fresh',
] as const;

/**
 * Yields the lines of the report as a CSV table (RFC 4180); what is not named is told in lines of
 * their own.
 */
export function* riskLines({ risks, unnamed, omitted, unknownClusters }: RiskReport): Generator<string> {
  const note = (risk: string, reason: string, cluster = ''): string =>
    csvLine(COLUMNS.map((column) => ({ risk, reason, cluster })[column as 'risk' | 'reason' | 'cluster']));
  yield csvLine(COLUMNS);
  for (const risk of risks) yield csvLine(COLUMNS.map((column) => (column === 'fresh' ? String(risk.fresh) : risk[column])));
  for (const risk of ['Refused', 'Pending'] as const) {
    const count = unnamed[risk === 'Refused' ? 'refused' : 'pending'];
    if (count > 0) yield note(risk, `${count} more are counted, but not named by the agents.`);
  }
  if (omitted > 0) yield note('', `${omitted} more are not listed.`);
  for (const cluster of unknownClusters) yield note('Unknown', 'Not all is known of this cluster.', cluster);
}
