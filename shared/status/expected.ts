import { type PolicyReport, type ReportedLock, SYSTEM_NAMESPACE } from '../api/index.ts';
import { isGlob, matchesNamespace, protectedFrom } from '../compile/index.ts';
import type { ClusterProfile } from './baseline.ts';
import type { ListedPolicy } from './listed-policy.ts';

/** Reason why no policy of a cluster has lock 2. */
export const NO_GATEKEEPER = 'Gatekeeper is not installed';
/** Reason why no policy of a cluster has lock 1. */
export const NO_FLOOR = 'Kubernetes 1.30 or newer is needed for ValidatingAdmissionPolicy';

/**
 * Explains why an enforceable policy governs no namespace. `isAbsent` is set if the namespace that
 * it names does not exist.
 */
export const explainMissing = ({
  targetNamespace,
  excludedNamespaces = [],
}: Pick<ListedPolicy, 'targetNamespace' | 'excludedNamespaces'>): { readonly message: string; readonly isAbsent: boolean } => {
  if (isGlob(targetNamespace))
    return { message: `no namespace matches ${targetNamespace}; the policy takes effect as soon as one does`, isAbsent: false };
  return excludedNamespaces.some((pattern) => matchesNamespace(pattern, targetNamespace))
    ? { message: `spec.excludedNamespaces excludes the target namespace ${targetNamespace} itself`, isAbsent: false }
    : { message: `namespace ${targetNamespace} does not exist; the policy takes effect as soon as it does`, isAbsent: true };
};

/**
 * Returns the namespaces that a policy governs, in the order of `names`.
 *
 * @param names namespaces that any glob of the list matches
 */
export const governedNamespaces = (
  { targetNamespace, excludedNamespaces = [] }: Pick<ListedPolicy, 'targetNamespace' | 'excludedNamespaces'>,
  names: readonly string[],
  profile: Pick<ClusterProfile, 'gatekeeperNamespace'>,
): readonly string[] => {
  if (!isGlob(targetNamespace)) return [targetNamespace];
  const excluded = [...excludedNamespaces, ...protectedFrom(targetNamespace, profile)];
  return names.filter((name) => matchesNamespace(targetNamespace, name) && !excluded.some((pattern) => matchesNamespace(pattern, name)));
};

/** State of a listed policy in a cluster, apart from the profile of the cluster. */
export interface PolicyStanding {
  /** Whether the policy had expired at the time of the cluster's reconcile. */
  readonly isExpired: boolean;
  /** Governed namespaces; empty if the target namespace is missing. */
  readonly namespaces: readonly string[];
}

const NOT_APPLICABLE: ReportedLock = { state: 'NotApplicable' };
const ENFORCED: ReportedLock = { state: 'Enforced' };

const lockOf = (isAsked: boolean, missing: string | undefined): ReportedLock => {
  if (!isAsked) return NOT_APPLICABLE;
  return missing === undefined ? ENFORCED : { state: 'Unavailable', message: missing };
};

/**
 * State of lock 1 for a policy. A cluster without lock 1 reports it as unavailable for every
 * policy, even if the action does not require it.
 */
const floorLockOf = (isAsked: boolean, { floor }: ClusterProfile): ReportedLock => lockOf(isAsked || !floor, floor ? undefined : NO_FLOOR);

const phaseOf = ({ isExpired, namespaces }: PolicyStanding): PolicyReport['phase'] => {
  if (isExpired) return 'Expired';
  return namespaces.length === 0 ? 'Pending' : 'Active';
};

/**
 * Builds the report of a policy that is as expected. The policy governs, and every lock that its
 * action requires and that the cluster has is proven; or it has expired; or its namespace is
 * missing. An agent reports only policies that differ from it, and the hub assumes it for all
 * others. Pure.
 */
export const expectedReport = (policy: ListedPolicy, profile: ClusterProfile, standing: PolicyStanding): PolicyReport => {
  const { locks } = policy;
  const phase = phaseOf(standing);
  const governs = phase === 'Active';
  return {
    namespace: SYSTEM_NAMESPACE,
    name: policy.name,
    managedBy: 'hub',
    revision: policy.since,
    targetNamespace: policy.targetNamespace,
    enforcementAction: policy.enforcementAction,
    effectiveRegions: [...policy.effectiveRegions],
    namespaces: governs ? [...standing.namespaces] : [],
    phase,
    message: phase === 'Pending' ? explainMissing(policy).message : '',
    enforcement: {
      admission: governs ? floorLockOf(locks.admission, profile) : NOT_APPLICABLE,
      gatekeeper: governs ? lockOf(locks.gatekeeper, profile.gatekeeper ? undefined : NO_GATEKEEPER) : NOT_APPLICABLE,
      binding: governs ? floorLockOf(locks.binding, profile) : NOT_APPLICABLE,
    },
    violations: 0,
    violationSamples: [],
    conditions: [],
    ...(policy.expiryDate === undefined ? {} : { expiryDate: policy.expiryDate }),
  };
};
