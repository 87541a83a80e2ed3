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
  type Page,
  type PolicyDetail,
  PolicyDetailPage,
  PolicyPage,
  PolicyStateView,
  type PolicySummary,
  PolicySummaryPage,
  PolicyView,
  ProblemDetails,
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

/** An answer of the hub that is not the one asked for. `status` 0: there was no answer. */
export class HubError extends Error {
  readonly status: number;
  readonly problem: ProblemDetails | undefined;
  constructor(message: string, status: number, options: { problem?: ProblemDetails | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = status;
    this.problem = options.problem;
  }
}

export interface HubClientOptions {
  /** http://127.0.0.1:8080 */
  readonly server: string;
  readonly token?: string | undefined;
}

/** Most items of a page. */
const PAGE = 500;
const DEFAULT_CHANGES = 100;

interface Call {
  readonly method?: 'POST' | 'DELETE';
  readonly body?: unknown;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

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

/** Every method throws {@link HubError}; lists are read to their last page unless `limit` says otherwise. */
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
  /** Removes a cluster that is neither registered nor connected. @param options force: also while the hub cannot tell whether it is registered */
  forgetCluster(cluster: string, options?: { readonly force?: boolean }, signal?: AbortSignal): Promise<ForgottenCluster>;
  violations(query?: ViolationFilter, signal?: AbortSignal): Promise<ViolationView[]>;
  /** Current issues, by cause. */
  issues(query?: { readonly cluster?: string }, signal?: AbortSignal): Promise<IssueList>;
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
  /** The hub reads the repository now. */
  fetchSource(signal?: AbortSignal): Promise<void>;
  /** Live events; ends when the hub closes the stream, throws when it breaks. Going on after `lastEventId`, if the hub still can. */
  stream(
    options: { lastEventId?: string | undefined; onOpen?: () => void },
    signal: AbortSignal,
  ): AsyncGenerator<StreamEvent & { id: string }>;
}

const problemOf = async (response: Response): Promise<HubError> => {
  const body: unknown = await response.json().catch(() => undefined);
  const problem = ProblemDetails.safeParse(body);
  if (!problem.success) return new HubError(`the server answered ${response.status}; is it a hub of this version?`, response.status);
  const { title, detail } = problem.data;
  return new HubError(detail === undefined ? title : `${title}: ${detail}`, response.status, { problem: problem.data });
};

const withoutUndefined = (query: Query): [string, string][] =>
  Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));

export const createHubClient = ({ server, token }: HubClientOptions): HubClient => {
  const root = server.replace(/\/+$/, '');
  const authorization: Record<string, string> = token === undefined ? {} : { Authorization: `Bearer ${token}` };

  const request = async (
    path: string,
    init: RequestInit & { headers: Record<string, string> },
    signal?: AbortSignal,
  ): Promise<Response> => {
    let response: Response;
    try {
      response = await fetch(root + path, { ...init, headers: { ...init.headers, ...authorization }, signal: signal ?? null });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new HubError(`no answer from ${server}`, 0, { cause });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  };
  const send = async <S extends z.ZodType>(schema: S, path: string, call: Call, signal?: AbortSignal): Promise<z.output<S>> => {
    const { method = 'GET', body } = call;
    const headers = { Accept: 'application/json', ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) };
    const response = await request(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }, signal);
    const parsed = schema.safeParse(await response.json().catch(() => undefined));
    if (!parsed.success) throw new HubError(`the answer of ${path} is not what a hub of this version sends`, response.status);
    return parsed.data;
  };
  const get = <S extends z.ZodType>(schema: S, path: string, query: Query = {}, signal?: AbortSignal): Promise<z.output<S>> => {
    const search = new URLSearchParams(withoutUndefined(query)).toString();
    return send(schema, `/api/v1${path}${search === '' ? '' : `?${search}`}`, {}, signal);
  };
  /** A page can be empty though there are more. */
  const newestOf = async <T>(count: number, read: (query: Query) => Promise<{ items: T[]; next: string | null }>): Promise<T[]> => {
    const items: T[] = [];
    for (let cursor: string | null | undefined; cursor !== null && items.length < count; ) {
      const page = await read({ limit: Math.min(PAGE, count - items.length), cursor });
      items.push(...page.items);
      cursor = page.next;
    }
    return items;
  };
  const all = <T>(read: (query: Query) => Promise<Page<T>>, query: Query): Promise<T[]> =>
    newestOf(Number.POSITIVE_INFINITY, (page) => read({ ...query, ...page }));

  /** Adds the clusters that one answer has no room for. */
  const withAllClusters = async (first: PolicyView, signal: AbortSignal | undefined): Promise<PolicyView> => {
    const clusters = [...first.clusters];
    for (let cursor = first.next; cursor !== null; ) {
      const page = await get(PolicyView, `/policies/${policyPath(policyKey(first))}`, { cursor }, signal);
      clusters.push(...page.clusters);
      cursor = page.next;
    }
    return { ...first, clusters, next: null };
  };

  return {
    ...createAlertClient({ get, send, all }),
    status: (signal) => get(StatusView, '/status', {}, signal),
    source: (signal) => get(SourceView, '/source', {}, signal),
    policies: async (query = {}, signal) => {
      const items = await all((page) => get(PolicyPage, '/policies', page, signal), { ...query });
      const whole: PolicyView[] = [];
      for (const item of items) whole.push(await withAllClusters(item, signal));
      return whole;
    },
    policySummaries: (query = {}, signal) => all((page) => get(PolicySummaryPage, '/policy-summaries', page, signal), { ...query }),
    policy: async (key, signal) => withAllClusters(await get(PolicyView, `/policies/${policyPath(key)}`, {}, signal), signal),
    policyDetail: async (key, cluster, signal) => {
      const [detail] = (await get(PolicyDetailPage, `/policy-details/${policyPath(key)}`, { cluster }, signal)).items;
      if (detail === undefined) throw new HubError('the hub answers without the cluster', 200);
      return detail;
    },
    clusters: (query = {}, signal) => all((page) => get(ClusterPage, '/clusters', page, signal), { ...query }),
    cluster: (name, signal) => get(ClusterView, `/clusters/${encodeURIComponent(name)}`, {}, signal),
    enrolments: (signal) => all((page) => get(EnrolmentPage, '/enrolments', page, signal), {}),
    createEnrolmentToken: (cluster, ttlSeconds, signal) =>
      send(
        EnrolmentTokenView,
        `/api/v1/clusters/${encodeURIComponent(cluster)}/enrolment-token`,
        { method: 'POST', body: { ttlSeconds } },
        signal,
      ),
    revokeCluster: (cluster, signal) =>
      send(EnrolmentView, `/api/v1/clusters/${encodeURIComponent(cluster)}/revoke`, { method: 'POST' }, signal),
    forgetCluster: (cluster, { force = false } = {}, signal) =>
      send(ForgottenCluster, `/api/v1/clusters/${encodeURIComponent(cluster)}${force ? '?force=true' : ''}`, { method: 'DELETE' }, signal),
    violations: (query = {}, signal) => all((page) => get(ViolationPage, '/violations', page, signal), { ...query }),
    issues: (query = {}, signal) => get(IssueList, '/issues', query, signal),
    issueReport: async (format, signal) => (await request(`/api/v1/reports/issues?format=${format}`, { headers: {} }, signal)).text(),
    events: async (query = {}, signal) => (await get(EventPage, '/events', query, signal)).items,
    commits: async (query = {}, signal) => (await get(CommitPage, '/commits', query, signal)).items,
    commit: (revision, signal) => get(CommitActivity, `/commits/${encodeURIComponent(revision)}`, {}, signal),
    policyState: (cluster, query, signal) => get(PolicyStateView, `/clusters/${encodeURIComponent(cluster)}/state`, query, signal),
    clusterHistory: async (cluster, query, signal) =>
      newestOf(query.limit ?? DEFAULT_CHANGES, (page) =>
        get(ClusterHistoryPage, `/clusters/${encodeURIComponent(cluster)}/history`, { policy: query.policy, ...page }, signal),
      ),
    audit: async (query = {}, signal) => (await get(AuditPage, '/audit', query, signal)).items,
    wholeAudit: async function* (after = 0, signal) {
      let cursor: string | undefined;
      do {
        const page: z.output<typeof AuditPage> = await get(AuditPage, '/audit', { order: 'asc', limit: 500, after, cursor }, signal);
        yield* page.items;
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
    },
    auditProofs: (signal) => get(AuditProofs, '/audit/proofs', {}, signal),
    session: (signal) => send(SessionView, '/auth/session', {}, signal),
    logout: (signal) => send(LogoutView, '/auth/logout', { method: 'POST' }, signal),
    tokens: async (signal) => (await get(TokenList, '/tokens', {}, signal)).items,
    createToken: (body, signal) => send(CreatedToken, '/api/v1/tokens', { method: 'POST', body }, signal),
    revokeToken: (id, signal) => send(TokenView, `/api/v1/tokens/${encodeURIComponent(id)}`, { method: 'DELETE' }, signal),
    fetchSource: async (signal) => void (await send(FetchHint, '/api/v1/source/fetch', { method: 'POST' }, signal)),
    stream: async function* ({ lastEventId, onOpen }, signal) {
      const resume = lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId };
      const response = await request('/api/v1/stream', { headers: { Accept: 'text/event-stream', ...resume } }, signal);
      onOpen?.();
      const messages = (response.body ?? new ReadableStream<Uint8Array>())
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream());
      for await (const { id = '', event, data } of messages) {
        const parsed = StreamEvent.safeParse({ event, data: JSON.parse(data) });
        // A newer hub may send kinds that this version does not know.
        if (parsed.success) yield { ...parsed.data, id };
      }
    },
  };
};
