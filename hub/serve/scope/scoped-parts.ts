import type { ProcessingRow } from '@fso/shared/api';
import { ApiError } from '../http/problems.ts';
import type { EnrolmentAccess } from '../routes/enrolment-routes.ts';
import type { PolicyDeps } from '../routes/policy-routes.ts';
import type { ScopedLedger } from './scoped-ledger.ts';
import { withholdLabels } from './withhold.ts';

/** Dependencies of routes besides the ledger, restricted to a scope. */

type Agents = PolicyDeps['agents'];

/** Returns the rows of namespaces with a visible policy, reduced to the visible policies. */
const seenRows = async (cluster: string, rows: readonly ProcessingRow[], ledger: ScopedLedger): Promise<ProcessingRow[]> => {
  const known = new Map<string, boolean>();
  for (const policy of new Set(rows.flatMap(({ policies }) => policies))) known.set(policy, await ledger.sees(cluster, policy));
  return rows.flatMap((row) => {
    const policies = row.policies.filter((policy) => known.get(policy));
    return policies.length === 0 ? [] : [{ ...row, policies }];
  });
};

/** Restricts the answers of agents to the visible part of the fleet. */
export const scopeAgents = (agents: Agents, ledger: ScopedLedger): Agents => ({
  inspect: async (cluster, policy) => {
    if ((await ledger.cluster(cluster)) === null) return undefined;
    const inspected = await agents.inspect(cluster, policy);
    // A commit may have changed the scope meanwhile.
    const isSeen = await ledger.sees(cluster, policy);
    const { visibility } = await ledger.state();
    const set = visibility.at(cluster);
    if (!inspected || set.isEmpty) return undefined;
    if (set.seesAllPolicies) return inspected;
    return isSeen && visibility.seesPolicy(set, policy, inspected) ? withholdLabels(inspected) : undefined;
  },
  locate: async (cluster) => {
    if ((await ledger.cluster(cluster)) === null) return undefined;
    const located = await agents.locate(cluster);
    if (located === undefined) return undefined;
    const rows = await seenRows(cluster, located.rows, ledger);
    // The agent does not say which namespaces were left out.
    const omitted = located.omitted === 0 || (await ledger.sees(cluster)) ? located.omitted : null;
    return { rows, omitted };
  },
});

/** Error for a cluster outside of the scope. Does not reveal whether the cluster exists. */
const outside = (cluster: string): ApiError =>
  new ApiError('forbidden', `The cluster ${cluster} is outside of your scope: this needs your role for it, and for every policy in it.`);

/**
 * Restricts enrolments to visible clusters. Changing one needs a grant for everything in its
 * cluster.
 */
export const scopeEnrolment = ({ identity, agentUrl }: EnrolmentAccess, ledger: ScopedLedger): EnrolmentAccess => {
  const assertManaged = async (cluster: string): Promise<void> => {
    if (!(await ledger.state()).visibility.at(cluster).seesAllPolicies) throw outside(cluster);
  };
  const managed =
    <A extends readonly unknown[], R>(work: (cluster: string, ...rest: A) => Promise<R>) =>
    async (cluster: string, ...rest: A): Promise<R> => {
      await assertManaged(cluster);
      return work(cluster, ...rest);
    };
  return {
    agentUrl,
    identity: {
      list: async () => {
        const state = await ledger.state();
        return (await identity.list()).filter(({ cluster }) => state.seesCluster(cluster));
      },
      get: managed((cluster) => identity.get(cluster)),
      issueToken: managed((cluster, ttlMs: number) => identity.issueToken(cluster, ttlMs)),
      revoke: managed((cluster) => identity.revoke(cluster)),
    },
  };
};
