import type { Params } from './client.ts';

/** Keys of a kind of findings. */
const findings = <const K extends string>(kind: K) => ({
  all: [kind] as const,
  list: (params: Params) => [kind, 'list', params] as const,
  groups: (params: Params) => [kind, 'groups', params] as const,
});

/**
 * Keys of all queries to the hub. The first part decides which live events make a query stale
 * (app/live/update-queries.ts).
 */
export const keys = {
  status: ['status'],
  session: ['session'],
  loginMethods: ['login-methods'],
  regions: ['regions'],
  policies: {
    all: ['policies'],
    list: (params: Params) => ['policies', 'list', params],
    one: (policy: string) => ['policies', 'one', policy],
    details: (policy: string) => ['policies', 'details', policy],
    ofCluster: (cluster: string, params: Params) => ['policies', 'cluster', cluster, params],
    history: (cluster: string, params: Params) => ['policies', 'cluster', cluster, 'history', params],
    stateAt: (cluster: string, params: Params) => ['policies', 'cluster', cluster, 'state', params],
  },
  policyTexts: {
    all: ['policy-texts'],
    source: (policy: string) => ['policy-texts', 'source', policy],
    history: (policy: string) => ['policy-texts', 'history', policy],
  },
  violations: findings('violations'),
  risks: findings('risks'),
  denials: findings('denials'),
  clusters: { all: ['clusters'], list: (params: Params) => ['clusters', 'list', params], one: (name: string) => ['clusters', 'one', name] },
  commits: { all: ['commits'], list: ['commits', 'list'], one: (revision: string) => ['commits', 'one', revision] },
  plans: { all: ['plans'], list: ['plans', 'list'], one: (id: string) => ['plans', 'one', id] },
  branches: ['branches'],
  rollout: ['rollout'],
  trend: { all: ['trend'], hours: (hours: number) => ['trend', hours] },
  events: { all: ['events'], list: (params: Params) => ['events', 'list', params] },
  audit: { list: (params: Params) => ['audit', 'list', params], verification: ['audit', 'verification'] },
  alerts: {
    all: ['alerts'],
    firing: ['alerts', 'firing'],
    list: (params: Params) => ['alerts', 'list', params],
    silences: ['alerts', 'silences'],
    receivers: ['alerts', 'receivers'],
  },
  issues: { all: ['issues'], list: (params: Params) => ['issues', params] },
  report: ['report'],
  /**
   * Lists that grow at their top (pages/audit/use-growing-list.ts): rows that were read stay, and
   * only the newest rows are read again.
   */
  growing: {
    list: (of: readonly unknown[]) => ['growing', 'list', ...of],
    allNewest: ['growing', 'newest'],
    newest: (of: readonly unknown[]) => ['growing', 'newest', ...of],
  },
} as const;

/** Slow queries with a refresh button, and queries that no event covers. */
const ON_REQUEST: readonly (readonly unknown[])[] = [keys.report, keys.audit.verification, keys.session, keys.loginMethods];

/** Whether a query is read again only when the user asks for it. */
export const isReadOnRequest = (queryKey: readonly unknown[]): boolean =>
  ON_REQUEST.some((key) => key.every((part, at) => queryKey[at] === part));
