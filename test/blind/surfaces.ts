import { SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { BlindWorld } from './blind-world.ts';

/** Surface on which users read what the agent knows. */
export type Surface = 'snapshot' | 'readiness' | 'hub' | 'cluster';

/** Returns the claim in the agent's answer to a readiness probe. */
export const readReadiness = async ({ agent }: BlindWorld): Promise<readonly string[]> =>
  (await fetch(`${agent.url}/readyz`)).ok ? ['/readyz is ok'] : [];

interface ClusterAnswer {
  readonly provenRevision: string | null;
  readonly policies: { readonly active: number };
}

/** Returns the claims of the hub's API about the cluster; the page shows the same. */
export const readHub = async ({ hub }: BlindWorld): Promise<readonly string[]> => {
  const response = await fetch(`${hub.url}/api/v1/clusters/eu`);
  if (!response.ok) return [];
  const { provenRevision, policies } = (await response.json()) as ClusterAnswer;
  const { active } = policies;
  return [
    ...(provenRevision === null ? [] : [`commit ${provenRevision} is proven`]),
    ...(active > 0 ? [`${active} policies are Active`] : []),
  ];
};

/** Returns the claims of the policies in the cluster; none while they cannot be read. */
export const readCluster = async ({ client, signal }: BlindWorld): Promise<readonly string[]> => {
  const policies = await client.list(SOVEREIGN_POLICY_KIND, {}, signal).catch(() => []);
  return policies.flatMap(({ metadata: { name }, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return status?.phase === 'Active' || ready?.status === 'True' ? [`${name} is ${status?.phase}, Ready ${ready?.status}`] : [];
  });
};

/** Returns the claims of `fso get policies`. */
export const readCommandLine = async ({ hub }: BlindWorld): Promise<readonly string[]> => {
  const { out } = await runFso(['get', 'policies'], { FSO_SERVER: hub.url });
  return out.split('\n').filter((line) => /\bActive\b/.test(line));
};
