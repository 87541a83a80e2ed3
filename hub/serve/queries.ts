import type { PolicyView, SourceView, StatusView, ViolationView } from '@fso/shared/api';
import { NamespaceName, Phase, ResourceName } from '@fso/shared/api';
import { z } from 'zod';
import type { ApiDeps } from './types.ts';
import { effectivePhase, type Knowledge, statusView } from './views.ts';

/** Query parameters come as text; everything else about them is checked here. */
export const Limit = z
  .string()
  .regex(/^\d{1,6}$/, 'must be a whole number')
  .transform(Number)
  .pipe(z.int().min(1, 'must be at least 1').max(500, 'must be at most 500'))
  .default(100);
const paging = {
  limit: Limit.describe('Items of a page, 1 to 500.'),
  cursor: z.string().max(1024).optional().describe('`next` of the page before.'),
};

const Search = z.string().min(1).max(253).optional().describe('Part of a name, upper and lower case alike.');
const PolicyName = z.string().min(1).max(317).optional().describe('namespace/name');

export const PageQuery = z.strictObject(paging);
export const PolicyQuery = z.strictObject({
  cluster: ResourceName.optional().describe('Policies of this cluster, with their phase there as the one that `phase` filters by.'),
  phase: Phase.optional(),
  namespace: NamespaceName.optional().describe('Policies that govern this namespace somewhere, or target it by name.'),
  q: Search,
  ...paging,
});
export const ClusterQuery = z.strictObject({ q: Search, ...paging });
export const ViolationQuery = z.strictObject({
  cluster: ResourceName.optional(),
  policy: PolicyName,
  namespace: NamespaceName.optional(),
  q: Search,
  ...paging,
});
export const EventQuery = z.strictObject({ cluster: ResourceName.optional(), policy: PolicyName, ...paging });

export const PolicyParams = z.strictObject({ namespace: z.string().max(253), name: z.string().max(253) });
export const ClusterParams = z.strictObject({ name: z.string().max(253) });

export const includesText = (name: string, q: string | undefined): boolean =>
  q === undefined || name.toLowerCase().includes(q.toLowerCase());

const governs = (policy: PolicyView, namespace: string): boolean =>
  policy.targetNamespace === namespace || policy.clusters.some(({ report }) => report?.namespaces.includes(namespace));

const hasPhase = (policy: PolicyView, phase: Phase, cluster: string | undefined): boolean => {
  if (cluster === undefined) return policy.phase === phase;
  return policy.clusters.some((row) => row.cluster === cluster && effectivePhase(row) === phase);
};

export const matchesPolicy = (policy: PolicyView, query: z.output<typeof PolicyQuery>): boolean => {
  const { cluster, phase, namespace, q } = query;
  if (cluster !== undefined && !policy.clusters.some((row) => row.cluster === cluster)) return false;
  if (phase !== undefined && !hasPhase(policy, phase, cluster)) return false;
  if (namespace !== undefined && !governs(policy, namespace)) return false;
  return includesText(policy.name, q) || includesText(policy.targetNamespace, q);
};

export const matchesViolation = (violation: ViolationView, query: z.output<typeof ViolationQuery>): boolean => {
  const { cluster, policy, namespace, q } = query;
  const equal = (wanted: string | undefined, is: string): boolean => wanted === undefined || wanted === is;
  return (
    equal(cluster, violation.cluster) &&
    equal(policy, violation.policy) &&
    equal(namespace, violation.namespace) &&
    includesText(violation.name, q)
  );
};

export const knowledgeOf = async ({ ledger }: ApiDeps): Promise<Knowledge> => {
  const [desired, clusters] = await Promise.all([ledger.desired(), ledger.clusters()]);
  return { desired, clusters };
};

/** Before the first fetch has ended there is a source that nothing is known of. */
const UNREAD: SourceView = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };

export const sourceOf = async ({ ledger }: ApiDeps): Promise<SourceView> => (await ledger.source()) ?? UNREAD;

export const statusOf = async (deps: ApiDeps): Promise<StatusView> => {
  const [knowledge, source] = await Promise.all([knowledgeOf(deps), sourceOf(deps)]);
  return statusView(knowledge, source, { version: deps.config.version, now: deps.clock.now().getTime() });
};
