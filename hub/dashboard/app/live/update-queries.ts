import type { Page, PolicyChange, StatusView, StreamEvent } from '@fso/shared/api';
import type { InfiniteData, Query, QueryClient } from '@tanstack/react-query';
import { isReadOnRequest, keys } from '../../api/keys.ts';
import { firingOf, rereadOf } from '../../api/queries.ts';
import { mergeFirst } from '../../lib/paged-list.ts';

/** Key of a query, or common beginning of the keys of several. */
export type Key = readonly unknown[];

const policyKeys = ({ cluster, policies }: PolicyChange): readonly Key[] => [
  ['policies', 'list'],
  ['policies', 'cluster', ...(cluster === null ? [] : [cluster])],
  ...(policies === null
    ? [
        ['policies', 'one'],
        ['policies', 'details'],
      ]
    : policies.flatMap((policy) => [keys.policies.one(policy), keys.policies.details(policy)])),
  keys.violations.all,
  keys.risks.all,
  keys.denials.all,
  keys.issues.all,
  keys.regions,
  keys.trend.all,
  ['plans', 'one'],
  // Only Git changes the text of a policy.
  ...(cluster === null ? [keys.policyTexts.all] : []),
];

/** Returns the keys of queries that an event makes stale, except those whose data it contains. */
export const staleKeys = (event: StreamEvent): readonly Key[] => {
  switch (event.event) {
    case 'status':
      return [keys.trend.all];
    case 'source':
      return [keys.issues.all];
    case 'cluster':
      // The phase that a policy counts as depends on the connection of its clusters.
      return [
        ['clusters', 'list'],
        ['policies', 'cluster', event.data.name],
        keys.risks.all,
        keys.denials.all,
        keys.issues.all,
        keys.regions,
        keys.rollout,
        ['commits', 'one'],
        ['plans', 'one'],
      ];
    case 'policy':
      return policyKeys(event.data);
    case 'event':
      return [keys.events.all, keys.growing.allNewest, keys.rollout];
    case 'commit':
      return [keys.commits.list, keys.commits.one(event.data.commit.revision), keys.growing.allNewest, keys.rollout, ['plans', 'one']];
    case 'alerts':
      return [['alerts', 'list'], keys.alerts.silences, keys.alerts.receivers];
    case 'reset':
      // The empty key is a prefix of all keys.
      return [[]];
    default:
      return event satisfies never;
  }
};

/**
 * Most pages of a list that are read again after a change. Of a longer list only the first page is
 * read again, and the rest when the user asks.
 */
const LIVE_PAGES = 3;

type List = InfiniteData<Page<unknown>>;

const isLong = ({ state }: Query): boolean => ((state.data as Partial<List> | undefined)?.pages?.length ?? 0) > LIVE_PAGES;

/**
 * Writes the complete data that an event contains into the cache.
 *
 * @returns keys of queries that are being read: their responses may be older than the event and
 * arrive later
 */
export const writeEvent = (client: QueryClient, event: StreamEvent): readonly Key[] => {
  const written = writtenBy(client, event);
  return written.filter((key) => client.getQueryState(key)?.fetchStatus === 'fetching');
};

const writtenBy = (client: QueryClient, event: StreamEvent): readonly Key[] => {
  switch (event.event) {
    case 'status':
      client.setQueryData(keys.status, event.data);
      return [keys.status];
    case 'source':
      client.setQueryData<StatusView>(keys.status, (status) => status && { ...status, source: event.data });
      return [keys.status];
    case 'cluster': {
      const key = keys.clusters.one(event.data.name);
      // Only if it is shown: the cache must not keep five hundred unread clusters.
      if (client.getQueryState(key) !== undefined) client.setQueryData(key, event.data);
      return [key];
    }
    case 'alerts':
      client.setQueryData(keys.alerts.firing, firingOf(event.data));
      return [keys.alerts.firing];
    default:
      return [];
  }
};

/**
 * Whether a query is being read in a way that cannot be restarted: for the first time, or for the
 * next page of a list. The data may predate a change.
 */
const isUnderWay = ({ state: { fetchStatus, data, fetchMeta } }: Query): boolean =>
  fetchStatus === 'fetching' && (data === undefined || fetchMeta?.fetchMore !== undefined);

const settled = async (query: Query): Promise<void> => {
  if (isUnderWay(query)) await query.promise?.catch(() => undefined);
};

const readFirst = async (client: QueryClient, query: Query): Promise<void> => {
  const reread = rereadOf(query);
  if (reread === undefined) return;
  const first = await reread.first();
  await settled(query);
  client.setQueryData<List>(query.queryKey, (data) => data && mergeFirst(data, first, reread.keyOf));
  // Pages further down may have changed as well.
  query.invalidate();
};

const readQuery = async (client: QueryClient, query: Query): Promise<void> => {
  query.invalidate();
  if (!query.isActive()) return;
  do {
    await settled(query);
    if (isLong(query)) await readFirst(client, query);
    else await client.refetchQueries({ queryKey: query.queryKey, exact: true, type: 'active' });
    // If the user has scrolled meanwhile, the refetch was cancelled.
  } while (isUnderWay(query));
};

/**
 * Invalidates the queries of the keys, and refetches those on screen. Resolves when they are read.
 */
export const readAgain = async (client: QueryClient, old: readonly Key[]): Promise<void> => {
  const queries = new Set(old.flatMap((queryKey) => client.getQueryCache().findAll({ queryKey })));
  await Promise.all([...queries].filter(({ queryKey }) => !isReadOnRequest(queryKey)).map((query) => readQuery(client, query)));
};

/** Refetches the queries that failed while the hub was unreachable. */
export const readFailed = (client: QueryClient): Promise<void> =>
  client.refetchQueries({ type: 'active', predicate: ({ state }) => state.status === 'error' || state.fetchFailureCount > 0 });
