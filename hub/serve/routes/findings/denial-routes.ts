import { type ClusterDenials, type DenialGroup, DenialGroupPage, DenialPage, DenialReport } from '@fso/shared/api';
import { csvLine } from '@fso/shared/encoding';
import { z } from 'zod';
import { MAX_REPORT_ITEMS, sendReport } from '../../export/send-lines.ts';
import { areDenialsUnknown } from '../../fleet/cluster-entry.ts';
import {
  countedIn,
  DenialGroupQuery,
  DenialQuery,
  denialGroupOrders,
  denialOrders,
  groupDenials,
  matchesDenial,
  type NamedDenial,
  namedDenials,
} from '../../fleet/findings/denial-lists.ts';
import type { Fleet } from '../../fleet/fleet-index.ts';
import type { FleetDeps } from '../../fleet/fleet-reader.ts';
import { listPage } from '../../http/paging.ts';
import { includesText } from '../../http/parameters.ts';
import { jsonRoute, type Route, rawRoute, SCOPED_LIST, SCOPED_READ } from '../../http/route.ts';

/** Number of owners that a cluster counts but does not list. */
const unlistedIn = ({ owners, denials }: ClusterDenials): number => Math.max(0, owners - denials.length);

/** Builds the report of all owners whose pods were refused. @param now milliseconds since 1970 */
const createDenialReport = (fleet: Fleet, now: number): DenialReport => {
  const members = fleet.members();
  const named = namedDenials(fleet);
  const unlisted = members.reduce((sum, { record: { report } }) => sum + (report?.denials ? unlistedIn(report.denials) : 0), 0);
  return {
    generatedAt: new Date(now).toISOString(),
    revision: fleet.desired()?.revision ?? null,
    denials: named.slice(0, MAX_REPORT_ITEMS).map(({ view }) => view),
    omitted: Math.max(0, named.length - MAX_REPORT_ITEMS) + unlisted,
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
 * Yields the lines of the report as a CSV table (RFC 4180). Additional lines state what is not
 * listed.
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

/** Explanation of the basis, included in every answer about denials. */
const COUNTED =
  'Of the last hour, by lock 1. An owner is named where events name it and a dry run of its template is refused too; all owners of a cluster together have at most as many refusals as its API server counted, and the rest is without an owner.';

const ExportQuery = z.strictObject({ format: z.enum(['json', 'csv']).default('json').describe('csv: RFC 4180.') });

/** Routes of owners whose pods were refused: list, groups and file. */
export const denialRoutes: readonly Route<FleetDeps>[] = [
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/denials',
      operationId: 'listDenials',
      summary: 'Owners whose pods were refused',
      description: `Clusters list 40 owners, of each namespace in turn the one with the most refusals. ${COUNTED}`,
      tag: 'policies',
      query: DenialQuery,
    },
    { schema: DenialPage, description: 'A page; sorted by cluster unless `sort` says otherwise, then by namespace, kind and name.' },
    async ({ fleet }, { query, ...input }) => {
      const matches = (denial: NamedDenial): boolean => matchesDenial(denial, query);
      const page = await listPage(namedDenials(await fleet.read()), { matches, orders: denialOrders, query }, input);
      return { ...page, items: page.items.map(({ view }) => view) };
    },
  ),
  jsonRoute(
    {
      ...SCOPED_LIST,
      path: '/api/v1/denial-groups',
      operationId: 'listDenialGroups',
      summary: 'Denials added up',
      description: `A cluster has also what its API server counted. ${COUNTED}`,
      tag: 'policies',
      query: DenialGroupQuery,
    },
    { schema: DenialGroupPage, description: 'A page of groups; most refusals first unless `sort` says otherwise.' },
    async ({ fleet }, { query, ...input }) => {
      const groups = await groupDenials(await fleet.read(), query.by, input);
      const matches = ({ key }: DenialGroup): boolean => includesText(key, query.q);
      return listPage(groups, { matches, orders: denialGroupOrders, query }, input);
    },
  ),
  rawRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/reports/denials',
      operationId: 'getDenialReport',
      summary: 'All owners whose pods were refused that are known by name',
      description: `As JSON or CSV (RFC 4180), with the clusters of which not all is known. ${COUNTED}`,
      tag: 'policies',
      slots: 'export',
      query: ExportQuery,
    },
    { schema: DenialReport, description: 'The report, as of now.' },
    async ({ fleet }, { query: { format } }, res) => {
      await sendReport(res, createDenialReport(await fleet.read(), fleet.now()), { list: 'denials', format, csvLines: denialLines });
    },
  ),
];
