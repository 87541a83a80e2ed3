import { EnrolmentPage, EnrolmentTokenView, EnrolmentView, ForgottenCluster, ResourceName } from '@fso/shared/api';
import { z } from 'zod';
import type { EnrolmentRecord } from '../../identity/index.ts';
import { pageOf } from '../http/paging.ts';
import { ApiError, notFound } from '../http/problems.ts';
import { jsonRoute, type Route } from '../http/route.ts';
import { ClusterParams, PageQuery } from '../queries.ts';
import type { ApiDeps, EnrolmentAccess } from '../types.ts';
import { enrolmentView } from './enrolment-view.ts';

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

/** @throws ApiError where agents do not enrol at this hub */
const accessOf = ({ enrolment }: ApiDeps): EnrolmentAccess => {
  if (enrolment === undefined) throw new ApiError('not-found', 'Agents do not enrol at this hub: it runs with FSO_AGENT_TLS=off.');
  return enrolment;
};

const clusterName = (name: string): string => {
  const parsed = ResourceName.safeParse(name);
  if (!parsed.success) throw new ApiError('bad-request', 'path parameter name: must be a lowercase RFC 1123 subdomain');
  return parsed.data;
};

const isKnown = async (deps: ApiDeps, cluster: string, record: EnrolmentRecord | undefined): Promise<boolean> =>
  (record !== undefined && record.state !== 'forgotten') || (await deps.ledger.cluster(cluster)) !== null;

/** @throws ApiError where the cluster is not known, or is one that the fleet counts */
const assertRetired = async (deps: ApiDeps, cluster: string): Promise<void> => {
  const { ledger, enrolment } = deps;
  const refuse = (detail: string): never => {
    throw new ApiError('conflict', detail);
  };
  if (!(await isKnown(deps, cluster, await enrolment?.identity.get(cluster)))) notFound(`cluster ${cluster}`);
  const desired = await ledger.desired();
  if (desired === null) return refuse('The hub has not read the repository yet, so it does not know which clusters are registered.');
  if (desired.clusters.has(cluster)) refuse(`${cluster} is registered: take its ManagedCluster out of the repository first.`);
  if ((await ledger.cluster(cluster))?.connected === true) refuse(`${cluster} is connected: stop its agent first, or revoke it.`);
};

/** How clusters come to prove themselves. */
export const enrolmentRoutes: readonly Route[] = [
  jsonRoute(
    {
      method: 'get',
      path: '/api/v1/enrolments',
      operationId: 'listEnrolments',
      summary: 'Who has enrolled, and until when its certificate is good',
      tag: 'clusters',
      access: 'viewer',
      query: PageQuery,
      problems: ['not-found'],
    },
    { schema: EnrolmentPage, description: 'A page, sorted by cluster.' },
    async (deps, { query }) => {
      const records = await accessOf(deps).identity.list();
      const now = deps.clock.now();
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
      description: 'The one before, if it was not used, is worth nothing any more.',
      tag: 'clusters',
      access: 'admin',
      params: ClusterParams,
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
      summary: 'Makes every certificate and token of a cluster worthless, and closes its stream',
      description: 'The cluster goes on enforcing what it has. With a new token it may enrol anew.',
      tag: 'clusters',
      access: 'admin',
      params: ClusterParams,
      problems: ['bad-request', 'not-found'],
    },
    { schema: EnrolmentView, description: 'The enrolment, revoked.' },
    async (deps, { params, caller }) => {
      const { identity } = accessOf(deps);
      const cluster = clusterName(params.name);
      caller.about(cluster);
      if (!(await isKnown(deps, cluster, await identity.get(cluster)))) throw new ApiError('not-found', `There is no cluster ${cluster}.`);
      return enrolmentView(await identity.revoke(cluster), deps.clock.now());
    },
  ),
  jsonRoute(
    {
      method: 'delete',
      path: '/api/v1/clusters/{name}',
      operationId: 'forgetCluster',
      summary: 'Forgets a cluster that is neither registered nor connected',
      description: 'What it last reported goes, and its certificates and tokens are worth nothing any more; its history stays.',
      tag: 'clusters',
      access: 'admin',
      params: ClusterParams,
      problems: ['bad-request', 'not-found', 'conflict'],
    },
    { schema: ForgottenCluster, description: 'What was forgotten.' },
    async (deps, { params, caller }) => {
      const cluster = clusterName(params.name);
      caller.about(cluster);
      await assertRetired(deps, cluster);
      // First, so that no agent comes back in between.
      await deps.enrolment?.identity.forget(cluster);
      await deps.ledger.forgetCluster(cluster);
      return { cluster };
    },
  ),
];
