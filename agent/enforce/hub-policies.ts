import { isDeepStrictEqual } from 'node:util';
import { ANNOTATIONS, API_VERSION, FIELD_MANAGERS, isHubManaged, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { refOf, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { weakMemo, weakMemo2 } from '@fso/shared/runtime';
import type { Action } from './types.ts';

/** The desired state of a policy in the cluster. */
export interface DesiredPolicy {
  readonly policy: CompiledPolicy;
  /** Oldest commit since which the policy has been unchanged. */
  readonly since: string;
}

/** Desired policies by key. */
export type DesiredPolicies = ReadonlyMap<string, DesiredPolicy>;

/** Plan that makes the hub-managed policies equal to those of a commit. */
export interface HubPoliciesPlan {
  readonly actions: readonly Action[];
  /** Whether the cluster already shows the policies of the commit. */
  readonly isWritten: boolean;
}

/** Value of {@link LABELS.managedBy} for policies from Git. */
const HUB = 'hub';

/** Builds the object to apply, from desired state alone. */
export const bodyOf = weakMemo(
  ({ policy, since }: DesiredPolicy): SovereignPolicy => ({
    apiVersion: API_VERSION,
    kind: 'SovereignPolicy',
    metadata: {
      name: policy.name,
      namespace: SYSTEM_NAMESPACE,
      labels: { ...policy.labels, [LABELS.managedBy]: HUB },
      annotations: { [ANNOTATIONS.revision]: since, [ANNOTATIONS.sourcePath]: policy.sourcePath },
    },
    spec: policy.spec,
  }),
);

const holdsAll = (actual: Readonly<Record<string, string>> | undefined, wanted: Readonly<Record<string, string>> | undefined): boolean =>
  Object.entries(wanted ?? {}).every(([key, value]) => actual?.[key] === value);

const sameContent = (live: SovereignPolicy, body: SovereignPolicy): boolean =>
  isDeepStrictEqual(live.spec, body.spec) && holdsAll(live.metadata.labels, body.metadata.labels);

/**
 * Whether a live policy equals the desired one. Ignores foreign labels and annotations; a foreign
 * field in the spec is drift.
 */
const isAsDesired = weakMemo2((live: SovereignPolicy, desired: DesiredPolicy): boolean => {
  const body = bodyOf(desired);
  return sameContent(live, body) && holdsAll(live.metadata.annotations, body.metadata.annotations);
});

/** Reason of writes for a new commit. They are forced, as Git wins over any other writer. */
export const COMMIT_REASON = 'Commit';

const targetOf = (key: string) => ({ key: `${SOVEREIGN_POLICY_KIND.kind}/${key}`, kind: SOVEREIGN_POLICY_KIND, policies: [key] });

/**
 * Removes the finalizers of a policy that is being deleted. It no longer governs, but its existence
 * keeps Git's version from being created. The patch names the uid instead of the resource version,
 * which is safe because a deletion cannot be undone and blocks new finalizers.
 */
const planRelease = (key: string, live: SovereignPolicy): Action => {
  const patch = { metadata: { uid: live.metadata.uid, finalizers: null } };
  return { ...targetOf(key), type: 'patch', ref: refOf(live), patch, reason: 'Drift' };
};

const planApply = (key: string, body: SovereignPolicy, live: SovereignPolicy | undefined, reason: string): readonly Action[] => {
  const apply = { ...targetOf(key), type: 'apply', body, fieldManager: FIELD_MANAGERS.intake, reason } as const;
  const foreign = Object.keys(live?.spec ?? {}).filter((field) => !(field in body.spec));
  if (live === undefined || foreign.length === 0) return [apply];
  // Server-side apply leaves fields that another manager added, which could open the policy
  // (excludedNamespaces). The patch carries the whole spec: a mix of old and new fields could be
  // refused, and would be in force between the two requests.
  const patch = { spec: { ...body.spec, ...Object.fromEntries(foreign.map((field) => [field, null])) } };
  return [{ ...targetOf(key), type: 'patch', ref: refOf(live), patch, reason }, apply];
};

const isDeleting = ({ metadata }: SovereignPolicy): boolean => metadata.deletionTimestamp !== undefined;

/**
 * Returns `metadata.generation` of a live policy that equals the desired one; undefined if it
 * differs, is being deleted or is missing.
 */
export const generationAsDesired = (desired: DesiredPolicy, live: SovereignPolicy | undefined): number | undefined =>
  live !== undefined && !isDeleting(live) && isAsDesired(live, desired) ? live.metadata.generation : undefined;

/** Plans one policy of a commit, and tells whether the cluster already shows it. */
const planWanted = (key: string, desired: DesiredPolicy, live: SovereignPolicy | undefined, reason: string) => {
  if (live === undefined || !isDeleting(live)) {
    const isWritten = live !== undefined && isAsDesired(live, desired);
    return { releases: [], applies: isWritten ? [] : planApply(key, bodyOf(desired), live, reason), isWritten };
  }
  const isKept = (live.metadata.finalizers ?? []).length > 0;
  return { releases: isKept ? [planRelease(key, live)] : [], applies: [], isWritten: false };
};

/**
 * Plans writes that make the hub-managed policies exactly the desired ones; policies that are
 * already equal are not written. Stuck deletions are released first, so that the policy can be
 * created again. Policies are deleted only once the cluster shows all others, so that a renamed
 * policy governs without a gap.
 *
 * @param live policies of the agent's namespace, by key
 * @param isRepair whether the commit was already written, so that any difference is drift
 */
export const planHubPolicies = (
  desired: DesiredPolicies,
  live: ReadonlyMap<string, SovereignPolicy>,
  isRepair: boolean,
): HubPoliciesPlan => {
  const reason = isRepair ? 'Drift' : COMMIT_REASON;
  const wanted = [...desired].map(([key, policy]) => planWanted(key, policy, live.get(key), reason));
  const first = [...wanted.flatMap(({ releases }) => releases), ...wanted.flatMap(({ applies }) => applies)];
  const deletions = [...live]
    .filter(([key, policy]) => !desired.has(key) && isHubManaged(policy) && !isDeleting(policy))
    .map(([key, policy]): Action => ({ ...targetOf(key), type: 'delete', ref: refOf(policy), reason }));
  return {
    actions: first.length > 0 ? first : deletions,
    isWritten: deletions.length === 0 && wanted.every(({ isWritten }) => isWritten),
  };
};

interface DesiredInput {
  readonly compiled: readonly CompiledPolicy[];
  readonly revision: string;
  readonly before: DesiredPolicies;
  readonly live: ReadonlyMap<string, SovereignPolicy>;
}

/**
 * Adds to each policy the commit since which it is unchanged: as remembered, or else as annotated
 * in the cluster.
 */
export const desiredPolicies = (input: DesiredInput): DesiredPolicies =>
  new Map(input.compiled.map((policy) => [policy.name, { policy, since: sinceOf(policy, input) }]));

const sinceOf = (policy: CompiledPolicy, { revision, before, live }: DesiredInput): string => {
  const known = before.get(policy.name);
  if (known !== undefined) return known.policy.digest === policy.digest ? known.since : revision;
  const standing = live.get(policy.name);
  if (standing === undefined || !sameContent(standing, bodyOf({ policy, since: revision }))) return revision;
  const { annotations } = standing.metadata;
  return annotations?.[ANNOTATIONS.sourcePath] === policy.sourcePath ? (annotations[ANNOTATIONS.revision] ?? revision) : revision;
};
