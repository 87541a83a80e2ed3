import type { KubeObject } from '@fso/shared/api';
import type { ClusterView } from '../cache/index.ts';
import { guardProbes, type Trust } from '../enforce/index.ts';
import type { GuardTarget } from '../probe/index.ts';

/**
 * Finds the guards that can be proven and whose policy and binding exist. A guard that differs from
 * the desired one counts too: it is being repaired, and its proof does not carry over.
 */
export const guardTargets = (
  { admissionPolicies, admissionBindings }: Pick<ClusterView, 'admissionPolicies' | 'admissionBindings'>,
  trust: Trust,
): ReadonlyMap<string, GuardTarget> => {
  const targets = new Map<string, GuardTarget>();
  for (const [name, probe] of guardProbes(trust)) {
    const [policy, binding] = [admissionPolicies.get(name), admissionBindings.get(name)];
    if (policy !== undefined && binding !== undefined)
      targets.set(name, { probe, fingerprint: `${versionOf(policy)} ${versionOf(binding)}` });
  }
  return targets;
};

const versionOf = ({ metadata: { uid, generation } }: KubeObject): string => `${uid}:${generation}`;
