import { EnrolmentPage, EnrolmentTokenView, EnrolmentView, ForgottenCluster, ResourceName } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import type { EnrolmentRecord, Identity } from '../../identity/index.ts';
import type { FleetState, Journal } from '../../ledger/index.ts';
import { pageOf } from '../http/paging.ts';
import { Flag, NameParams, PageQuery } from '../http/parameters.ts';
import { ApiError, notFound } from '../http/problems.ts';
import { ADMIN_CHANGE, type HubScope, jsonRoute, type Route, SCOPED_READ } from '../http/route.ts';

const MAX_TTL_SECONDS = 3600;
const DEFAULT_TTL_SECONDS = 1800;

const WantedToken = z.strictObject({
  ttlSeconds: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(MAX_TTL_SECONDS, `must be at most ${MAX_TTL_SECONDS}`)
    .default(DEFAULT_TTL_SECONDS)
    .describe('How long the token is good.'),
});

/** Access to the enrolment of clusters. */
export interface EnrolmentAccess {
  readonly identity: Pick<Identity, 'issueToken' | 'revoke' | 'get' | 'list'>;
  /** URL to which agents connect. Known once the listener is open. */
  readonly agentUrl: () => string;
}

interface EnrolmentDeps {
  readonly ledger: Pick<FleetState, 'cluster'>;
  /** Enrolment; undefined: agents do not enrol. */
  readonly enrolment?: EnrolmentAccess | undefined;
  readonly runtime: { readonly clock: Clock };
}

/** Access for removing an enrolment. */
export interface ForgetAccess {
  readonly identity: Pick<Identity, 'forget' | 'get'>;
}

interface ForgetDeps {
  readonly ledger: Pick<FleetState, 'cluster' | 'desired'> & Pick<Journal, 'forgetCluster'>;
  /** Enrolment; undefined: agents do not enrol. */
  readonly enrolment?: ForgetAccess | undefined;
}

type TokenRecord = EnrolmentRecord['tokens'][number];

const tokenState = ({ used, withdrawn, expires }: TokenRecord, now: Date): NonNullable<EnrolmentView['token']>['state'] => {
  if (used !== null) return 'used';
  if (withdrawn) return 'withdrawn';
  return Date.parse(expires) <= now.getTime() ? 'expired' : 'open';
};

/** Builds the view of an enrolment, without digests and serial numbers. */
const enrolmentView = (record: EnrolmentRecord, now: Date): EnrolmentView => {
  const [token] = record.tokens;
  return {
    cluster: record.cluster,
    // Lists contain no forgotten enrolments.
    state: record.state === 'forgotten' ? 'revoked' : record.state,
    generation: record.generation,
    token: token === undefined ? null : { created: token.created, expires: token.expires, state: tokenState(token, now) },
    enrolled: record.enrolled,
    revoked: record.revoked,
    certificateIssued: record.certificate?.issued ?? null,
    certificateExpires: record.certificate?.expires ?? null,
  };
};

/** @throws ApiError if agents do not enrol at this hub */
const accessOf = ({ enrolment }: EnrolmentDeps): EnrolmentAccess => {
  if (enrolment === undefined) throw new ApiError('not-found', 'Agents do not enrol at this hub: it runs with FSO_AGENT_TLS=off.');
  return enrolment;
};

const clusterName = (name: string): string => {
  const parsed = ResourceName.safeParse(name);
  if (!parsed.success) throw new ApiError('bad-request', 'path parameter name: must be a lowercase RFC 1123 subdomain');
  return parsed.data;
};

const isKnown = async (deps: Pick<EnrolmentDeps, 'ledger'>, cluster: string, record: EnrolmentRecord | undefined): Promise<boolean> =>
  (record !== undefined && record.state !== 'forgotten') || (await deps.ledger.cluster(cluster)) !== null;

const ForgetQuery = z.strictObject({
  force: Flag.default(false).describe(
    'true: also before the hub has read the repository, so that it cannot tell whether the cluster is registered. A registered one has to enrol again.',
  ),
});

/**
 * Checks that a cluster can be forgotten.
 *
 * @throws ApiError if the cluster is unknown, registered or connected. `force` permits it if the
 * registration is unknown
 */
const assertRetired = async (deps: ForgetDeps, cluster: string, force: boolean): Promise<void> => {
  const { ledger, enrolment } = deps;
  const refuse = (detail: string): never => {
    throw new ApiError('conflict', detail);
  };
  if (!(await isKnown(deps, cluster, await enrolment?.identity.get(cluster)))) notFound(`cluster ${cluster}`);
  const desired = await ledger.desired();
  if (desired === null && !force)
    refuse(
      'The hub has not read the repository yet, so it does not know which clusters are registered; force=true forgets it all the same.',
    );
  if (desired?.clusters.has(cluster) === true) refuse(`${cluster} is registered: take its ManagedCluster out of the repository first.`);
  if ((await ledger.cluster(cluster))?.connected === true) refuse(`${cluster} is connected: stop its agent first, or revoke it.`);
};

/** Routes of enrolments: tokens, certificates and revocation. */
export const enrolmentRoutes: readonly Route<EnrolmentDeps, 'scoped'>[] = [
  jsonRoute(
    {
      ...SCOPED_READ,
      path: '/api/v1/enrolments',
      operationId: 'listEnrolments',
      summary: 'Clusters that have enrolled, with the end of their certificates',
      tag: 'clusters',
      query: PageQuery,
      problems: ['not-found'],
    },
    { schema: EnrolmentPage, description: 'A page, sorted by cluster.' },
    async (deps, { query }) => {
      const records = await accessOf(deps).identity.list();
      const now = deps.runtime.clock.now();
      return pageOf(
        records.map((record) => enrolmentView(record, now)),
        ({ cluster }) => cluster,
        query,
      );
    },
  ),
  jsonRoute(
    {
      method: 'post',
      path: '/api/v1/clusters/{name}/enrolment-token',
      operationId: 'createEnrolmentToken',
      summary: 'Makes the token with which the agent of a cluster enrols, once',
      description: 'It replaces an earlier token that was not used.',
      tag: 'clusters',
      access: 'admin',
      scope: 'scoped',
      params: NameParams,
      body: WantedToken,
      problems: ['not-found'],
    },
    { schema: EnrolmentTokenView, description: 'The token.' },
    async (deps, { params, body, caller }) => {
      const { identity, agentUrl } = accessOf(deps);
      const cluster = clusterName(params.name);
      caller.about(cluster);
      const { token, expires } = await identity.issueToken(cluster, body.ttlSeconds * 1000);
      caller.about(cluster, `good until ${expires}`);
      return { cluster, agentUrl: agentUrl(), token, expires };
    },
  ),
  jsonRoute(
    {
      method: 'post',
      path: '/api/v1/clusters/{name}/revoke',
      operationId: 'revokeCluster',
      summary: 'Revokes every certificate and token of a cluster, and closes its stream',
      description: 'The cluster goes on enforcing what it has. With a new token it may enrol again.',
      tag: 'clusters',
      access: 'admin',
      scope: 'scoped',
      params: NameParams,
      problems: ['bad-request', 'not-found'],
    },
    { schema: EnrolmentView, description: 'The enrolment, revoked.' },
    async (deps, { params, caller }) => {
      const { identity } = accessOf(deps);
      const cluster = clusterName(params.name);
      caller.about(cluster);
      if (!(await isKnown(deps, cluster, await identity.get(cluster)))) throw new ApiError('not-found', `There is no cluster ${cluster}.`);
      return enrolmentView(await identity.revoke(cluster), deps.runtime.clock.now());
    },
  ),
];

/** Route for forgetting a retired cluster. */
export const forgetRoutes: readonly Route<ForgetDeps, HubScope>[] = [
  jsonRoute(
    {
      ...ADMIN_CHANGE,
      method: 'delete',
      path: '/api/v1/clusters/{name}',
      operationId: 'forgetCluster',
      summary: 'Forgets a cluster that is neither registered nor connected',
      description: 'Its last report is removed and its certificates and tokens are revoked; its history stays.',
      tag: 'clusters',
      params: NameParams,
      query: ForgetQuery,
      problems: ['bad-request', 'not-found', 'conflict'],
    },
    { schema: ForgottenCluster, description: 'What was forgotten.' },
    async (deps, { params, query: { force }, caller }) => {
      const cluster = clusterName(params.name);
      caller.about(cluster);
      const isUnread = (await deps.ledger.desired()) === null;
      await assertRetired(deps, cluster, force);
      if (isUnread) caller.about(cluster, 'forced: the repository was not read, so the cluster may be registered');
      // Removed first, so that no agent reconnects in between.
      await deps.enrolment?.identity.forget(cluster);
      await deps.ledger.forgetCluster(cluster);
      return { cluster };
    },
  ),
];
