import type { RiskReport } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import type { Response } from 'express';
import { addRisks, areRisksUnknown, NO_RISKS } from '../fleet/cluster-entry.ts';
import type { Fleet } from '../fleet/fleet-index.ts';
import { sendLines } from './send-lines.ts';

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

/** Yields the lines of a CSV table (RFC 4180); what is not named is told in lines of their own. */
function* csvLines({ risks, unnamed, omitted, unknownClusters }: RiskReport): Generator<string> {
  const note = (risk: string, reason: string, cluster = ''): string =>
    csvLine(COLUMNS.map((column) => ({ risk, reason, cluster })[column as 'risk' | 'reason' | 'cluster']));
  for (const risk of risks) yield csvLine(COLUMNS.map((column) => (column === 'fresh' ? String(risk.fresh) : risk[column])));
  for (const risk of ['Refused', 'Pending'] as const) {
    const count = unnamed[risk === 'Refused' ? 'refused' : 'pending'];
    if (count > 0) yield note(risk, `${count} more are counted, but not named by the agents.`);
  }
  if (omitted > 0) yield note('', `${omitted} more are not listed.`);
  for (const cluster of unknownClusters) yield note('Unknown', 'Not all is known of this cluster.', cluster);
}

/** Yields the owners in a JSON list, and its end. */
function* jsonParts({ risks }: RiskReport): Generator<string> {
  for (const [index, risk] of risks.entries()) yield `${index === 0 ? '' : ','}${JSON.stringify(risk)}`;
  yield ']}';
}

/** Sends the report as a file, as fast as its reader takes it. */
export const sendRiskReport = (res: Response, report: RiskReport, format: 'csv' | 'json'): Promise<void> => {
  const name = `fso-risks-${report.generatedAt.replace(/\.\d+/, '').replaceAll(/[-:]/g, '')}.${format}`;
  if (format === 'csv') return sendLines(res, { name, contentType: 'text/csv', head: csvLine(COLUMNS) }, csvLines(report));
  const { risks: _last, ...rest } = report;
  const head = `${JSON.stringify(rest).slice(0, -1)},"risks":[`;
  return sendLines(res, { name, contentType: 'application/json', head }, jsonParts(report));
};
