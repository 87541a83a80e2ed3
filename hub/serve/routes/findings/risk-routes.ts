import { MAX_NAMED_RISKS, type RiskGroup, RiskGroupPage, RiskPage, RiskReport } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import { z } from 'zod';
import { MAX_REPORT_ITEMS, sendReport } from '../../export/send-lines.ts';
import { addRisks, areRisksFresh, areRisksUnknown, type NamedRisk, NO_RISKS } from '../../fleet/cluster-entry.ts';
import { nameFindings } from '../../fleet/findings/findings.ts';
import { groupRisks, matchesRisk, RiskGroupQuery, RiskQuery, riskGroupOrders, riskOrders } from '../../fleet/findings/risk-lists.ts';
import type { Fleet } from '../../fleet/fleet-index.ts';
import { listPage } from '../../http/paging.ts';
import { includesText } from '../../http/parameters.ts';
import { jsonRoute, type Route, rawRoute, SCOPED_LIST, SCOPED_READ } from '../../http/route.ts';
import { type FindingDeps, readNamed } from './read-named.ts';

/** Builds the report of all owners at risk. @param now milliseconds since 1970 */
const createRiskReport = (fleet: Fleet, now: number): RiskReport => {
  const members = fleet.members();
  const named = members.flatMap(({ namedRisks }) => namedRisks);
  const counted = members.reduce((sum, { risks }) => addRisks(sum, risks), NO_RISKS);
  const count = (risk: 'Refused' | 'Pending'): number => named.filter(({ view }) => view.risk === risk).length;
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    risks: named.slice(0, MAX_REPORT_ITEMS).map(({ view }) => view),
    unnamed: { refused: Math.max(0, counted.refused - count('Refused')), pending: Math.max(0, counted.pending - count('Pending')) },
    omitted: Math.max(0, named.length - MAX_REPORT_ITEMS),
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
 * Yields the lines of the report as a CSV table (RFC 4180). Additional lines state what is not
 * listed.
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

/** Explanation of the limits, included in every answer about risks. */
const NOT_LOOKED_AT = 'Capacity and volumes are not looked at. The classes are never added up, nor with violations.';

const readRisks = async (deps: FindingDeps, query: RiskQuery): Promise<readonly NamedRisk[]> => {
  const record = query.cluster === undefined ? undefined : (await deps.fleet.read()).cluster(query.cluster)?.record;
  // The agent's answer is new, but its content may be outdated.
  const fresh = record !== undefined && areRisksFresh(record);
  return readNamed(deps, query, {
    from: (fleet) => fleet.risks(),
    known: ({ risks: { refused, pending } = NO_RISKS }) => Math.min(refused + pending, MAX_NAMED_RISKS),
    inspected: ({ risks }, of) => nameFindings(risks?.named ?? [], { ...of, fresh }),
  });
};

const ExportQuery = z.strictObject({ format: z.enum(['json', 'csv']).default('json').describe('csv: RFC 4180.') });

/**
 * API routes for workload owners whose next pods would be refused or stay pending: list, groups and
 * export.
 */
export const riskRoutes: readonly Route<FindingDeps>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/risks',
      operationId: 'listRisks',
      summary: 'Owners whose next pods would be refused or stay pending',
      description: `Clusters name the first 20 owners at risk, and the first 20 of each policy that was applied in them. With \`cluster\` and \`policy\` the agent is asked for its first 20 of that policy, for a few seconds at most. ${NOT_LOOKED_AT}`,
      tag: 'policies',
      query: RiskQuery,
    },
    { schema: RiskPage, description: 'A page; sorted by cluster unless `sort` says otherwise, then by policy, namespace, kind and name.' },
    async (deps, { query, ...input }) => {
      const matches = (risk: NamedRisk): boolean => matchesRisk(risk, query);
      const page = await listPage(await readRisks(deps, query), { matches, orders: riskOrders, query }, input);
      return { ...page, items: page.items.map(({ view }) => view) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/risk-groups',
      operationId: 'listRiskGroups',
      summary: 'Owners at risk added up',
      description: `By policy and by cluster all that agents count; by namespace and owner those that they name. ${NOT_LOOKED_AT}`,
      tag: 'policies',
      query: RiskGroupQuery,
    },
    { schema: RiskGroupPage, description: 'A page of groups; most owners that would be refused first unless `sort` says otherwise.' },
    async (deps, { query, ...input }) => {
      const groups = await groupRisks(await deps.fleet.read(), query.by, input);
      const matches = ({ key }: RiskGroup): boolean => includesText(key, query.q);
      return listPage(groups, { matches, orders: riskGroupOrders, query }, input);
    },
  ),
  rawRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/reports/risks',
      operationId: 'getRiskReport',
      summary: 'All owners at risk that are known by name',
      description: `As JSON or CSV (RFC 4180), with the clusters of which not all is known. ${NOT_LOOKED_AT}`,
      tag: 'policies',
      slots: 'export',
      query: ExportQuery,
    },
    { schema: RiskReport, description: 'The report, as of now.' },
    async ({ fleet }, { query: { format } }, res) => {
      await sendReport(res, createRiskReport(await fleet.read(), fleet.now()), { list: 'risks', format, csvLines: riskLines });
    },
  ),
];
