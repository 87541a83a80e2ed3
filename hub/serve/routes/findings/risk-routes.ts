import { MAX_NAMED_RISKS, type RiskGroup, RiskGroupPage, RiskPage, RiskReport } from '@fso/shared/api';
import { z } from 'zod';
import { createRiskReport, riskLines } from '../../export/risk-report.ts';
import { sendReport } from '../../export/send-lines.ts';
import { areRisksFresh, type NamedRisk, NO_RISKS } from '../../fleet/cluster-entry.ts';
import { nameFindings } from '../../fleet/findings/findings.ts';
import { groupRisks, matchesRisk, RiskGroupQuery, RiskQuery, riskGroupOrders, riskOrders } from '../../fleet/findings/risk-lists.ts';
import { listPage } from '../../http/paging.ts';
import { includesText } from '../../http/parameters.ts';
import { jsonRoute, type Route, rawRoute, SCOPED_LIST, SCOPED_READ } from '../../http/route.ts';
import { type FindingDeps, readNamed } from './read-named.ts';

/** Limits that every answer about risks states. */
const NOT_LOOKED_AT = 'Capacity and volumes are not looked at. The classes are never added up, nor with violations.';

const readRisks = async (deps: FindingDeps, query: RiskQuery): Promise<readonly NamedRisk[]> => {
  const record = query.cluster === undefined ? undefined : (await deps.fleet.read()).cluster(query.cluster)?.record;
  // The agent answers now, but with what it knew before.
  const fresh = record !== undefined && areRisksFresh(record);
  return readNamed(deps, query, {
    from: (fleet) => fleet.risks(),
    known: ({ risks: { refused, pending } = NO_RISKS }) => Math.min(refused + pending, MAX_NAMED_RISKS),
    told: ({ risks }, of) => nameFindings(risks?.named ?? [], { ...of, fresh }),
  });
};

const ExportQuery = z.strictObject({ format: z.enum(['json', 'csv']).default('json').describe('csv: RFC 4180.') });

/** Owners whose next pods are at risk, one by one, added up, and as a file. */
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
