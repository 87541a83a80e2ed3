import {
  type AuditEntry,
  AuditPage,
  AuditProofs,
  type ClusterHistoryItem,
  ClusterHistoryPage,
  ClusterPage,
  ClusterView,
  CommitActivity,
  CommitPage,
  type CommitSummary,
  CreatedToken,
  EnrolmentPage,
  EnrolmentTokenView,
  EnrolmentView,
  EventPage,
  type EventView,
  FetchHint,
  ForgottenCluster,
  IssueList,
  LogoutView,
  type PolicyDetail,
  PolicyDetailPage,
  PolicyPage,
  PolicyStateView,
  type PolicySummary,
  PolicySummaryPage,
  PolicyView,
  policyKey,
  policyPath,
  SessionView,
  SourceView,
  StatusView,
  StreamEvent,
  TokenList,
  type TokenRequest,
  TokenView,
  ViolationPage,
  type ViolationView,
} from '@fso/shared/api';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { z } from 'zod';
import { type AlertClient, createAlertClient } from './alert-client.ts';
import { type HubClientOptions, HubError, HubRequests } from './hub-requests.ts';

const DEFAULT_CHANGES = 100;

/** Filter of policies by the parameters of the list; all given ones must match. */
export interface PolicyFilter {
  readonly cluster?: string;
  readonly phase?: string;
  readonly namespace?: string;
  readonly region?: string;
  readonly action?: string;
  readonly managedBy?: string;
  readonly violating?: boolean;
  readonly expiring?: boolean;
  readonly q?: string;
  readonly sort?: string;
}

export interface ClusterFilter {
  readonly region?: string;
  readonly violating?: boolean;
  readonly q?: string;
  readonly sort?: string;
}

export interface ViolationFilter {
  readonly cluster?: string;
  readonly policy?: string;
  readonly namespace?: string;
  readonly region?: string;
  readonly action?: string;
  readonly kind?: string;
  readonly q?: string;
  readonly sort?: string;
}

/**
 * Every method throws {@link HubError}; lists are read to their last page unless `limit` says
 * otherwise.
 */
export interface HubClient extends AlertClient {
  status(signal?: AbortSignal): Promise<StatusView>;
  source(signal?: AbortSignal): Promise<SourceView>;
  /**
   * Lists policies with every cluster's report, which is much for a large fleet; {@link
   * policySummaries} counts them.
   */
  policies(query?: PolicyFilter, signal?: AbortSignal): Promise<PolicyView[]>;
  policySummaries(query?: PolicyFilter, signal?: AbortSignal): Promise<PolicySummary[]>;
  /** @param key name, or namespace/name of a policy outside of the agent's namespace */
  policy(key: string, signal?: AbortSignal): Promise<PolicyView>;
  /**
   * Full report of a policy by the agent of one cluster.
   *
   * @throws the hub's problem where the cluster does not have it
   */
  policyDetail(key: string, cluster: string, signal?: AbortSignal): Promise<PolicyDetail>;
  clusters(query?: ClusterFilter, signal?: AbortSignal): Promise<ClusterView[]>;
  cluster(name: string, signal?: AbortSignal): Promise<ClusterView>;
  enrolments(signal?: AbortSignal): Promise<EnrolmentView[]>;
  /** Makes a token and invalidates the one before, if it was not used. */
  createEnrolmentToken(cluster: string, ttlSeconds: number, signal?: AbortSignal): Promise<EnrolmentTokenView>;
  revokeCluster(cluster: string, signal?: AbortSignal): Promise<EnrolmentView>;
  /**
   * Removes a cluster that is neither registered nor connected. @param options force: also while
   * the hub cannot tell whether it is registered
   */
  forgetCluster(cluster: string, options?: { readonly force?: boolean }, signal?: AbortSignal): Promise<ForgottenCluster>;
  /** Current issues, by cause. */
  issues(query?: { readonly cluster?: string }, signal?: AbortSignal): Promise<IssueList>;
  violations(query?: ViolationFilter, signal?: AbortSignal): Promise<ViolationView[]>;
  /** Report of all issues of the fleet, as text of that format. */
  issueReport(format: 'csv' | 'json' | 'html', signal?: AbortSignal): Promise<string>;
  /** The newest `limit` events (at most 500), newest first. */
  events(query?: { cluster?: string; policy?: string; limit?: number }, signal?: AbortSignal): Promise<EventView[]>;
  /** The newest `limit` commits (at most 500), newest first. */
  commits(query?: { limit?: number }, signal?: AbortSignal): Promise<CommitSummary[]>;
  commit(revision: string, signal?: AbortSignal): Promise<CommitActivity>;
  /** @param at RFC 3339; absent: now */
  policyState(cluster: string, query: { policy: string; at?: string }, signal?: AbortSignal): Promise<PolicyStateView>;
  /** The newest `limit` changes, and a few more where several came at once, newest first. */
  clusterHistory(cluster: string, query: { policy: string; limit?: number }, signal?: AbortSignal): Promise<ClusterHistoryItem[]>;
  /** The newest `limit` entries of the audit log (at most 500), newest first. */
  audit(query?: { action?: string; actor?: string; subject?: string; limit?: number }, signal?: AbortSignal): Promise<AuditEntry[]>;
  /** The whole audit log, oldest first, from behind an entry. */
  wholeAudit(after?: number, signal?: AbortSignal): AsyncGenerator<AuditEntry>;
  auditProofs(signal?: AbortSignal): Promise<AuditProofs>;
  /** Session of the caller, as the hub sees it. */
  session(signal?: AbortSignal): Promise<SessionView>;
  logout(signal?: AbortSignal): Promise<LogoutView>;
  tokens(signal?: AbortSignal): Promise<readonly TokenView[]>;
  createToken(wanted: TokenRequest, signal?: AbortSignal): Promise<CreatedToken>;
  revokeToken(id: string, signal?: AbortSignal): Promise<TokenView>;
  /** A backup of the ledger, as it comes. */
  backup(signal?: AbortSignal): Promise<ReadableStream<Uint8Array>>;
  /** The hub reads the repository now. */
  fetchSource(signal?: AbortSignal): Promise<void>;
  /**
   * Live events; ends when the hub closes the stream, throws when it breaks. Going on after
   * `lastEventId`, if the hub still can.
   */
  stream(
    options: { lastEventId?: string | undefined; onOpen?: () => void },
    signal: AbortSignal,
  ): AsyncGenerator<StreamEvent & { id: string }>;
}

/** Adds the clusters that one answer has no room for. */
const withAllClusters = async (requests: HubRequests, first: PolicyView, signal: AbortSignal | undefined): Promise<PolicyView> => {
  const clusters = [...first.clusters];
  for (let cursor = first.next; cursor !== null; ) {
    const page = await requests.get(PolicyView, `/policies/${policyPath(policyKey(first))}`, { cursor }, signal);
    clusters.push(...page.clusters);
    cursor = page.next;
  }
  return { ...first, clusters, next: null };
};

async function* readWholeAudit(requests: HubRequests, after: number, signal: AbortSignal | undefined): AsyncGenerator<AuditEntry> {
  let cursor: string | undefined;
  do {
    const page: z.output<typeof AuditPage> = await requests.get(AuditPage, '/audit', { order: 'asc', limit: 500, after, cursor }, signal);
    yield* page.items;
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
}

async function* readStream(
  requests: HubRequests,
  { lastEventId, onOpen }: Parameters<HubClient['stream']>[0],
  signal: AbortSignal,
): AsyncGenerator<StreamEvent & { id: string }> {
  const resume = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
  const response = await requests.fetch('/api/v1/stream', { headers: { Accept: 'text/event-stream', ...resume } }, signal);
  onOpen?.();
  const messages = (response.body ?? new ReadableStream<Uint8Array>())
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { id = '', event, data } of messages) {
    const parsed = StreamEvent.safeParse({ event, data: JSON.parse(data) });
    // A newer hub may send kinds that this version does not know.
    if (parsed.success) yield { ...parsed.data, id };
  }
}

export const createHubClient = (options: HubClientOptions): HubClient => {
  const requests = new HubRequests(options);
  return {
    ...createAlertClient(requests),
    status: (signal) => requests.get(StatusView, '/status', {}, signal),
    source: (signal) => requests.get(SourceView, '/source', {}, signal),
    policies: async (query = {}, signal) => {
      const items = await requests.all((page) => requests.get(PolicyPage, '/policies', page, signal), { ...query });
      const whole: PolicyView[] = [];
      for (const item of items) whole.push(await withAllClusters(requests, item, signal));
      return whole;
    },
    policySummaries: (query = {}, signal) =>
      requests.all((page) => requests.get(PolicySummaryPage, '/policy-summaries', page, signal), { ...query }),
    policy: async (key, signal) =>
      withAllClusters(requests, await requests.get(PolicyView, `/policies/${policyPath(key)}`, {}, signal), signal),
    policyDetail: async (key, cluster, signal) => {
      const [detail] = (await requests.get(PolicyDetailPage, `/policy-details/${policyPath(key)}`, { cluster }, signal)).items;
      if (detail === undefined) throw new HubError('the hub answers without the cluster', 200);
      return detail;
    },
    clusters: (query = {}, signal) => requests.all((page) => requests.get(ClusterPage, '/clusters', page, signal), { ...query }),
    cluster: (name, signal) => requests.get(ClusterView, `/clusters/${encodeURIComponent(name)}`, {}, signal),
    enrolments: (signal) => requests.all((page) => requests.get(EnrolmentPage, '/enrolments', page, signal), {}),
    createEnrolmentToken: (cluster, ttlSeconds, signal) =>
      requests.send(
        EnrolmentTokenView,
        `/api/v1/clusters/${encodeURIComponent(cluster)}/enrolment-token`,
        { method: 'POST', body: { ttlSeconds } },
        signal,
      ),
    revokeCluster: (cluster, signal) =>
      requests.send(EnrolmentView, `/api/v1/clusters/${encodeURIComponent(cluster)}/revoke`, { method: 'POST' }, signal),
    forgetCluster: (cluster, { force = false } = {}, signal) =>
      requests.send(
        ForgottenCluster,
        `/api/v1/clusters/${encodeURIComponent(cluster)}${force ? '?force=true' : ''}`,
        { method: 'DELETE' },
        signal,
      ),
    issues: (query = {}, signal) => requests.get(IssueList, '/issues', query, signal),
    violations: (query = {}, signal) => requests.all((page) => requests.get(ViolationPage, '/violations', page, signal), { ...query }),
    issueReport: async (format, signal) =>
      (await requests.fetch(`/api/v1/reports/issues?format=${format}`, { headers: {} }, signal)).text(),
    events: async (query = {}, signal) => (await requests.get(EventPage, '/events', query, signal)).items,
    commits: async (query = {}, signal) => (await requests.get(CommitPage, '/commits', query, signal)).items,
    commit: (revision, signal) => requests.get(CommitActivity, `/commits/${encodeURIComponent(revision)}`, {}, signal),
    policyState: (cluster, query, signal) => requests.get(PolicyStateView, `/clusters/${encodeURIComponent(cluster)}/state`, query, signal),
    clusterHistory: async (cluster, query, signal) =>
      requests.newestOf(query.limit ?? DEFAULT_CHANGES, (page) =>
        requests.get(ClusterHistoryPage, `/clusters/${encodeURIComponent(cluster)}/history`, { policy: query.policy, ...page }, signal),
      ),
    audit: async (query = {}, signal) => (await requests.get(AuditPage, '/audit', query, signal)).items,
    wholeAudit: (after = 0, signal) => readWholeAudit(requests, after, signal),
    auditProofs: (signal) => requests.get(AuditProofs, '/audit/proofs', {}, signal),
    session: (signal) => requests.send(SessionView, '/auth/session', {}, signal),
    logout: (signal) => requests.send(LogoutView, '/auth/logout', { method: 'POST' }, signal),
    tokens: async (signal) => (await requests.get(TokenList, '/tokens', {}, signal)).items,
    createToken: (body, signal) => requests.send(CreatedToken, '/api/v1/tokens', { method: 'POST', body }, signal),
    revokeToken: (id, signal) => requests.send(TokenView, `/api/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' }, signal),
    backup: async (signal) => (await requests.fetch('/api/v1/backup', { headers: {} }, signal)).body ?? new ReadableStream<Uint8Array>(),
    fetchSource: async (signal) => void (await requests.send(FetchHint, '/api/v1/source/fetch', { method: 'POST' }, signal)),
    stream: (options, signal) => readStream(requests, options, signal),
  };
};
