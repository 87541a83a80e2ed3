import {
  AlertPage,
  AlertTestView,
  type AuditEntry,
  AuditPage,
  AuditProofs,
  ClusterHistoryPage,
  ClusterPage,
  ClusterView,
  CommitActivity,
  CommitPage,
  CreatedToken,
  type DenialGrouping,
  DenialGroupPage,
  DenialPage,
  EnrolmentPage,
  EnrolmentTokenView,
  EnrolmentView,
  EventPage,
  FetchHint,
  ForgottenCluster,
  IssueList,
  LoginLinkView,
  LogoutView,
  PolicyDetailPage,
  PolicyPage,
  PolicyStateView,
  PolicySummaryPage,
  PolicyView,
  policyKey,
  policyPath,
  ReceiverList,
  ResumedRollout,
  RiskPage,
  type RolloutResume,
  RolloutView,
  SessionView,
  SilenceList,
  type SilenceRequest,
  SilenceView,
  SourceView,
  StatusView,
  StreamEvent,
  TokenList,
  type TokenRequest,
  TokenView,
  ViolationPage,
} from '@fso/shared/api';
import type { PlanRequest } from '@fso/shared/effects';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import type { z } from 'zod';
import { type HubClientOptions, HubError, HubRequests } from './hub-requests.ts';

const DEFAULT_CHANGES = 100;

type Filter<K extends string> = Readonly<Partial<Record<K, string | boolean>>>;
type PolicyFilter = Filter<'cluster' | 'phase' | 'namespace' | 'region' | 'action' | 'managedBy' | 'violating' | 'expiring' | 'q' | 'sort'>;
type ViolationFilter = Filter<'cluster' | 'policy' | 'namespace' | 'region' | 'action' | 'kind' | 'q' | 'sort'>;
/** Query parameters of the list of alerts. */
export type AlertFilter = Filter<'state' | 'severity' | 'name' | 'cluster' | 'policy' | 'team' | 'q' | 'sort'>;

interface StreamOptions {
  /** Id of the last received event. The stream continues after it, if the hub still can. */
  readonly lastEventId?: string | undefined;
  readonly onOpen?: () => void;
}

const clusterPath = (name: string): string => `/clusters/${encodeURIComponent(name)}`;

/** Reads further pages of a policy's clusters. */
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
  { lastEventId, onOpen }: StreamOptions,
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
    // A newer hub may send events that this version does not know.
    if (parsed.success) yield { ...parsed.data, id };
  }
}

/** Calls about issues, findings and plans. */
const findingCalls = (requests: HubRequests) => ({
  /** Lists the current issues, grouped by cause. */
  issues: (query: Filter<'cluster'> = {}, signal?: AbortSignal) => requests.get(IssueList, '/issues', query, signal),
  /** Lists owners whose next pods would be refused or stay pending. */
  risks: (query: Filter<'risk' | 'cluster' | 'policy' | 'namespace' | 'kind' | 'q' | 'sort'> = {}, signal?: AbortSignal) =>
    requests.list(RiskPage, '/risks', query, signal),
  /** Lists owners whose pods were refused. */
  denials: (query: Filter<'cluster' | 'policy' | 'namespace' | 'kind' | 'q' | 'sort'> = {}, signal?: AbortSignal) =>
    requests.list(DenialPage, '/denials', query, signal),
  /** Sums denials by group. */
  denialGroups: (query: { readonly by: DenialGrouping }, signal?: AbortSignal) =>
    requests.list(DenialGroupPage, '/denial-groups', query, signal),
  /** Plans what files would change, compared with the current commit. */
  plan: async (body: PlanRequest, signal?: AbortSignal) => {
    // Loaded on demand, because its module is large.
    const { Plan } = await import('@fso/shared/effects');
    return requests.send(Plan, '/api/v1/plans', { method: 'POST', body }, signal);
  },
  /** Lists stored plans, newest first. */
  storedPlans: async (query: { limit?: number } = {}, signal?: AbortSignal) => {
    const { StoredPlanPage } = await import('@fso/shared/effects');
    return (await requests.get(StoredPlanPage, '/plans', query, signal)).items;
  },
  /** Lists branches that the hub can plan, with their last plans. */
  branches: async (signal?: AbortSignal) => {
    const { BranchList } = await import('@fso/shared/effects');
    return requests.get(BranchList, '/branches', {}, signal);
  },
  storedPlan: async (id: string, signal?: AbortSignal) => {
    const { StoredPlanView } = await import('@fso/shared/effects');
    return requests.get(StoredPlanView, `/plans/${encodeURIComponent(id)}`, {}, signal);
  },
  violations: (query: ViolationFilter = {}, signal?: AbortSignal) => requests.list(ViolationPage, '/violations', query, signal),
  /** Returns a report of the whole fleet as text in the given format. */
  report: (kind: 'risks' | 'denials' | 'processing' | 'issues', format: string, signal?: AbortSignal) =>
    requests.text(`/api/v1/reports/${kind}?format=${format}`, signal),
});

/** Calls about alerts and their receivers. */
const alertCalls = (requests: HubRequests) => ({
  alerts: (query: AlertFilter = {}, signal?: AbortSignal) => requests.list(AlertPage, '/alerts', query, signal),
  silences: async (signal?: AbortSignal) => (await requests.get(SilenceList, '/alerts/silences', {}, signal)).items,
  createSilence: (body: SilenceRequest, signal?: AbortSignal) =>
    requests.send(SilenceView, '/api/v1/alerts/silences', { method: 'POST', body }, signal),
  endSilence: (id: string, signal?: AbortSignal) =>
    requests.send(SilenceView, `/api/v1/alerts/silences/${encodeURIComponent(id)}`, { method: 'DELETE' }, signal),
  receivers: async (signal?: AbortSignal) => (await requests.get(ReceiverList, '/alerts/receivers', {}, signal)).items,
  /** Sends a test notification from the hub to the receiver. */
  testReceiver: (receiver: string, signal?: AbortSignal) =>
    requests.send(AlertTestView, '/api/v1/alerts/test', { method: 'POST', body: { receiver } }, signal),
});

/** Calls about the caller's session, tokens and links. */
const accessCalls = (requests: HubRequests) => ({
  /** Returns the session of the caller. */
  session: (signal?: AbortSignal) => requests.send(SessionView, '/auth/session', {}, signal),
  logout: (signal?: AbortSignal) => requests.send(LogoutView, '/auth/logout', { method: 'POST' }, signal),
  tokens: async (signal?: AbortSignal) => (await requests.get(TokenList, '/tokens', {}, signal)).items,
  createToken: (body: TokenRequest, signal?: AbortSignal) =>
    requests.send(CreatedToken, '/api/v1/tokens', { method: 'POST', body }, signal),
  revokeToken: (id: string, signal?: AbortSignal) =>
    requests.send(TokenView, `/api/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' }, signal),
  /** Creates a link that signs a browser in once. */
  createLoginLink: (signal?: AbortSignal) => requests.send(LoginLinkView, '/api/v1/login-links', { method: 'POST' }, signal),
});

/**
 * Creates the client of one hub. All methods throw {@link HubError}. Lists are read to their last
 * page; with `limit`, only the newest items are read (at most 500), newest first.
 */
export const createHubClient = (options: HubClientOptions) => {
  const requests = new HubRequests(options);
  return {
    ...alertCalls(requests),
    status: (signal?: AbortSignal) => requests.get(StatusView, '/status', {}, signal),
    rollout: (signal?: AbortSignal) => requests.get(RolloutView, '/rollout', {}, signal),
    pauseRollout: (signal?: AbortSignal) => requests.send(RolloutView, '/api/v1/rollout/pause', { method: 'POST', body: {} }, signal),
    resumeRollout: (body: RolloutResume, signal?: AbortSignal) =>
      requests.send(ResumedRollout, '/api/v1/rollout/resume', { method: 'POST', body }, signal),
    source: (signal?: AbortSignal) => requests.get(SourceView, '/source', {}, signal),
    /** Lists policies with the reports of all clusters; `policySummaries` has only counts. */
    policies: async (query: PolicyFilter = {}, signal?: AbortSignal): Promise<PolicyView[]> => {
      const items = await requests.list(PolicyPage, '/policies', query, signal);
      const whole: PolicyView[] = [];
      for (const item of items) whole.push(await withAllClusters(requests, item, signal));
      return whole;
    },
    policySummaries: (query: PolicyFilter = {}, signal?: AbortSignal) =>
      requests.list(PolicySummaryPage, '/policy-summaries', query, signal),
    /** @param key name, or namespace/name of a policy outside of the agent's namespace */
    policy: async (key: string, signal?: AbortSignal) =>
      withAllClusters(requests, await requests.get(PolicyView, `/policies/${policyPath(key)}`, {}, signal), signal),
    /**
     * Returns the full report of a policy by the agent of one cluster.
     *
     * @throws HubError if the cluster does not have it
     */
    policyDetail: async (key: string, cluster: string, signal?: AbortSignal) => {
      const [detail] = (await requests.get(PolicyDetailPage, `/policy-details/${policyPath(key)}`, { cluster }, signal)).items;
      if (detail === undefined) throw new HubError('the hub answers without the cluster', 200);
      return detail;
    },
    clusters: (query: Filter<'region' | 'violating' | 'q' | 'sort'> = {}, signal?: AbortSignal) =>
      requests.list(ClusterPage, '/clusters', query, signal),
    cluster: (name: string, signal?: AbortSignal) => requests.get(ClusterView, clusterPath(name), {}, signal),
    enrolments: (signal?: AbortSignal) => requests.list(EnrolmentPage, '/enrolments', {}, signal),
    /** Creates a token and invalidates an unused previous one. */
    createEnrolmentToken: (cluster: string, ttlSeconds: number, signal?: AbortSignal) =>
      requests.send(EnrolmentTokenView, `/api/v1${clusterPath(cluster)}/enrolment-token`, { method: 'POST', body: { ttlSeconds } }, signal),
    revokeCluster: (cluster: string, signal?: AbortSignal) =>
      requests.send(EnrolmentView, `/api/v1${clusterPath(cluster)}/revoke`, { method: 'POST' }, signal),
    /**
     * Removes a cluster that is neither registered nor connected.
     *
     * @param options `force`: remove it even if the hub does not know whether it is registered
     */
    forgetCluster: (cluster: string, { force = false }: { readonly force?: boolean } = {}, signal?: AbortSignal) =>
      requests.send(ForgottenCluster, `/api/v1${clusterPath(cluster)}${force ? '?force=true' : ''}`, { method: 'DELETE' }, signal),
    ...findingCalls(requests),
    events: async (query: { cluster?: string; policy?: string; limit?: number } = {}, signal?: AbortSignal) =>
      (await requests.get(EventPage, '/events', query, signal)).items,
    commits: async (query: { limit?: number } = {}, signal?: AbortSignal) =>
      (await requests.get(CommitPage, '/commits', query, signal)).items,
    commit: (revision: string, signal?: AbortSignal) =>
      requests.get(CommitActivity, `/commits/${encodeURIComponent(revision)}`, {}, signal),
    /** @param query `at`: RFC 3339; default: now */
    policyState: (cluster: string, query: { policy: string; at?: string }, signal?: AbortSignal) =>
      requests.get(PolicyStateView, `${clusterPath(cluster)}/state`, query, signal),
    /** Returns the newest changes, newest first: `limit`, or more if several happened at once. */
    clusterHistory: (cluster: string, { policy, limit }: { policy: string; limit?: number }, signal?: AbortSignal) =>
      requests.newestOf(limit ?? DEFAULT_CHANGES, (page) =>
        requests.get(ClusterHistoryPage, `${clusterPath(cluster)}/history`, { policy, ...page }, signal),
      ),
    audit: async (query: { action?: string; actor?: string; subject?: string; limit?: number } = {}, signal?: AbortSignal) =>
      (await requests.get(AuditPage, '/audit', query, signal)).items,
    /** Yields the whole audit log after an entry, oldest first. */
    wholeAudit: (after = 0, signal?: AbortSignal) => readWholeAudit(requests, after, signal),
    auditProofs: (signal?: AbortSignal) => requests.get(AuditProofs, '/audit/proofs', {}, signal),
    ...accessCalls(requests),
    /** Returns a backup of the ledger as a stream. */
    backup: async (signal?: AbortSignal) =>
      (await requests.fetch('/api/v1/backup', { headers: {} }, signal)).body ?? new ReadableStream<Uint8Array>(),
    /** Makes the hub fetch the repository now. */
    fetchSource: async (signal?: AbortSignal): Promise<void> => {
      await requests.send(FetchHint, '/api/v1/source/fetch', { method: 'POST' }, signal);
    },
    /** Yields live events. Ends when the hub closes the stream; throws if the connection breaks. */
    stream: (given: StreamOptions, signal: AbortSignal) => readStream(requests, given, signal),
  };
};

/** Client of the hub's API, with one method per route. All methods throw HubError. */
export type HubClient = ReturnType<typeof createHubClient>;
