import { ConnectionState, Region } from '@fso/shared/api';
import { z } from 'zod';
import { NEVER, type Orders, sortParameter } from '../../http/paging.ts';
import { Flag, includesText, isWanted, paging, Search } from '../../queries.ts';
import { areLocksReady, type ClusterEntry, isRefusing, isTampered } from '../cluster-entry.ts';

/** Which clusters, and in which order. */

export const ClusterQuery = z.strictObject({
  connection: ConnectionState.optional(),
  inSync: Flag.optional(),
  violating: Flag.optional().describe('true: those with violations; false: those without.'),
  tampered: Flag.optional().describe(
    'true: those that last reported to have put back, within an hour, what somebody changed or deleted there.',
  ),
  refusing: Flag.optional().describe('true: those whose agent stands by its refusal of the commit that it was offered last.'),
  locksReady: Flag.optional().describe(
    'false: those that last reported that lock 1, its guard or Gatekeeper is not ready; of those that never reported neither is known.',
  ),
  region: Region.optional().describe('Those that are registered with this region or have nodes there.'),
  q: Search,
  sort: sortParameter(['name', 'connection', 'violations', 'seen', 'certificate', 'kubernetes']),
  ...paging,
});
export type ClusterQuery = z.output<typeof ClusterQuery>;

/** v1.9 before v1.10. */
const versionOrder = (version: string): string => version.replaceAll(/\d+/g, (digits) => digits.padStart(6, '0'));

export const clusterOrders: Orders<ClusterEntry, 'name' | 'connection' | 'violations' | 'seen' | 'certificate' | 'kubernetes'> = {
  keyOf: ({ record }) => record.name,
  by: {
    name: ({ record }) => record.name,
    connection: ({ view }) => view.connection,
    violations: ({ violations }) => violations,
    seen: ({ record }) => Date.parse(record.lastSeen ?? '') || 0,
    certificate: ({ view }) => Date.parse(view.certificateExpires ?? '') || NEVER,
    kubernetes: ({ record }) => versionOrder(record.report?.kubernetesVersion ?? ''),
  },
};

/** Where a cluster is: as it is registered, and as its nodes say. */
export const regionsOf = ({ registration, record }: ClusterEntry): ReadonlySet<string> => {
  const inhabited = Object.entries(record.report?.nodesByRegion ?? {}).flatMap(([region, nodes]) =>
    nodes > 0 && region !== '' ? [region] : [],
  );
  return new Set([...(registration?.spec.regions ?? []), ...inhabited]);
};

export const matchesCluster = (entry: ClusterEntry, query: ClusterQuery): boolean => {
  const { connection, inSync, violating, tampered, refusing, locksReady, region, q } = query;
  return (
    isWanted(connection, entry.view.connection) &&
    isWanted(inSync, entry.view.inSync) &&
    isWanted(violating, entry.violations > 0) &&
    isWanted(tampered, isTampered(entry)) &&
    isWanted(refusing, isRefusing(entry)) &&
    isWanted<boolean | undefined>(locksReady, areLocksReady(entry)) &&
    (region === undefined || regionsOf(entry).has(region)) &&
    includesText(entry.record.name, q)
  );
};
