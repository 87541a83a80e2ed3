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

/** The report as one CSV table (RFC 4180); what it does not name is told in lines of their own. */
export const formatRiskCsv = ({ risks, unnamed, omitted, unknownClusters }: RiskReport): string => {
  const note = (risk: string, reason: string, cluster = ''): string =>
    csvLine(COLUMNS.map((column) => ({ risk, reason, cluster })[column as 'risk' | 'reason' | 'cluster']));
  return [
    csvLine(COLUMNS),
    ...risks.map((risk) => csvLine(COLUMNS.map((column) => (column === 'fresh' ? String(risk.fresh) : risk[column])))),
    ...(['Refused', 'Pending'] as const).flatMap((risk) => {
      const count = unnamed[risk === 'Refused' ? 'refused' : 'pending'];
      return count === 0 ? [] : [note(risk, `${count} more are counted, but not named by the agents.`)];
    }),
    ...(omitted === 0 ? [] : [note('', `${omitted} more are not listed.`)]),
    ...unknownClusters.map((cluster) => note('Unknown', 'Not all is known of this cluster.', cluster)),
  ].join('');
};
