import type { PolicyReport } from '@fso/shared/api';
import type { NamedFinding } from '../../fleet/findings/findings.ts';
import type { Fleet } from '../../fleet/fleet-index.ts';
import type { FleetDeps } from '../../fleet/fleet-reader.ts';
import type { PolicyDeps } from '../policy-routes.ts';

/** Index of the fleet, and agents that are asked for names of findings. */
export type FindingDeps = FleetDeps & Pick<PolicyDeps, 'agents'>;

/** Policy in one cluster. */
interface Place {
  readonly cluster: string;
  readonly policy: string;
}

/** Functions for reading one kind of findings. */
interface Reading<V> {
  readonly from: (fleet: Fleet) => readonly NamedFinding<V>[];
  /** Number of findings in a report that an agent can name. */
  readonly known: (report: PolicyReport) => number;
  /** Findings of a policy in an agent's answer. */
  readonly inspected: (report: PolicyReport, of: Place, reported: PolicyReport) => readonly NamedFinding<V>[];
}

/**
 * Reads named findings. For one policy in one cluster, asks the agent if the cluster names fewer
 * than it counts.
 */
export const readNamed = async <V extends Place>(
  { fleet, agents }: FindingDeps,
  { cluster, policy }: { readonly [P in keyof Place]?: string | undefined },
  { from, known, inspected }: Reading<V>,
): Promise<readonly NamedFinding<V>[]> => {
  const now = await fleet.read();
  const named = from(now);
  if (cluster === undefined || policy === undefined) return named;
  const { fresh = false, report = null } = now.policy(policy)?.rows.get(cluster) ?? {};
  const isOf = ({ view }: NamedFinding<V>): boolean => view.cluster === cluster && view.policy === policy;
  if (!fresh || report === null || named.filter(isOf).length >= known(report)) return named;
  const asked = await agents.inspect(cluster, policy);
  if (asked == null) return named;
  return [...named.filter((finding) => !isOf(finding)), ...inspected(asked, { cluster, policy }, report)];
};
