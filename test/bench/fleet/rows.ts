import type { PolicyReport } from '@fso/shared/api';
import { byText, sha256 } from '@fso/shared/encoding';

/**
 * State of a cluster, short enough to compare thousands of them: the number of policies in each
 * phase, and a digest of those that failed.
 */
export interface ClusterRows {
  /** Commit that the agent has accepted. */
  readonly revision: string | null;
  /** State of Gatekeeper. */
  readonly gatekeeper: string;
  readonly total: number;
  readonly active: number;
  readonly pending: number;
  readonly failed: number;
  /** Digest of the rows of policies that failed. */
  readonly digest: string;
}

/** Returns a digest of the name, phase and locks of each report, independent of their order. */
export const digestOfRows = (reports: Iterable<PolicyReport>): string => {
  const rows = [...reports].map(({ name, phase, enforcement: { admission, gatekeeper, binding } }) =>
    JSON.stringify([name, phase, admission.state, gatekeeper.state, binding.state]),
  );
  return sha256(rows.sort(byText).join('\n'));
};

/**
 * Returns a line for each cluster that differs between the two sides, with the different fields.
 */
export const differencesOf = (agents: ReadonlyMap<string, ClusterRows>, hub: ReadonlyMap<string, ClusterRows>): readonly string[] =>
  [...new Set([...agents.keys(), ...hub.keys()])].flatMap((cluster) => {
    const [agent, known] = [agents.get(cluster), hub.get(cluster)];
    if (agent === undefined || known === undefined) return [`${cluster}: only the ${agent === undefined ? 'hub' : 'agent'} has it`];
    const fields = (Object.keys(agent) as (keyof ClusterRows)[]).filter((field) => agent[field] !== known[field]);
    if (fields.length === 0) return [];
    return [`${cluster}: ${fields.map((field) => `${field} is ${agent[field]}, the hub has ${known[field]}`).join('; ')}`];
  });
