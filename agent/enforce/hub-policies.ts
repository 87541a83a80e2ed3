import { isDeepStrictEqual } from 'node:util';
import { ANNOTATIONS, API_VERSION, isHubManaged, LABELS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { byText } from '@fso/shared/encoding';
import { weakMemo2 } from '@fso/shared/runtime';

/** One policy as it shall stand in the cluster. */
export interface DesiredPolicy {
  readonly policy: CompiledPolicy;
  /** Commit since which it reads as it does. */
  readonly since: string;
}

/** By key. */
export type DesiredPolicies = ReadonlyMap<string, DesiredPolicy>;

export type WriteAction =
  | { readonly type: 'apply'; readonly key: string; readonly body: SovereignPolicy }
  | { readonly type: 'delete'; readonly key: string; readonly live: SovereignPolicy }
  /** A wanted policy was deleted, and finalizers keep it: they are removed, so that it can be written again. */
  | { readonly type: 'release'; readonly key: string; readonly live: SovereignPolicy };

export interface WritePlan {
  readonly actions: readonly WriteAction[];
  /** Keys of wanted policies that are being deleted, with nothing left to keep them; they can be written once they are gone. */
  readonly waiting: readonly string[];
}

/** Value of {@link LABELS.managedBy} on what came from Git. */
const HUB = 'hub';

/** The object to apply, from desired state alone. */
export const bodyOf = ({ policy, since }: DesiredPolicy): SovereignPolicy => ({
  apiVersion: API_VERSION,
  kind: 'SovereignPolicy',
  metadata: {
    name: policy.name,
    namespace: SYSTEM_NAMESPACE,
    labels: { ...policy.labels, [LABELS.managedBy]: HUB },
    annotations: { [ANNOTATIONS.revision]: since, [ANNOTATIONS.sourcePath]: policy.sourcePath },
  },
  spec: policy.spec,
});

const holdsAll = (actual: Readonly<Record<string, string>> | undefined, wanted: Readonly<Record<string, string>> | undefined): boolean =>
  Object.entries(wanted ?? {}).every(([key, value]) => actual?.[key] === value);

const sameContent = (live: SovereignPolicy, body: SovereignPolicy): boolean =>
  isDeepStrictEqual(live.spec, body.spec) && holdsAll(live.metadata.labels, body.metadata.labels);

/** Foreign labels and annotations are left alone; a foreign field in the spec is drift. Compared once for each pair of objects. */
const isAsDesired = weakMemo2((live: SovereignPolicy, desired: DesiredPolicy): boolean => {
  const body = bodyOf(desired);
  return sameContent(live, body) && holdsAll(live.metadata.annotations, body.metadata.annotations);
});

/** A policy that is being deleted governs nothing any more; a finalizer that keeps it also keeps Git's version from coming back. */
const planDeleted = (key: string, desired: DesiredPolicy | undefined, live: SovereignPolicy): WriteAction | 'waiting' | undefined => {
  if (desired === undefined) return undefined;
  return (live.metadata.finalizers ?? []).length > 0 ? { type: 'release', key, live } : 'waiting';
};

/** What has to be written for one key; undefined when nothing, or nothing yet. */
const planOne = (
  key: string,
  desired: DesiredPolicy | undefined,
  live: SovereignPolicy | undefined,
): WriteAction | 'waiting' | undefined => {
  if (live?.metadata.deletionTimestamp !== undefined) return planDeleted(key, desired, live);
  if (desired !== undefined)
    return live !== undefined && isAsDesired(live, desired) ? undefined : { type: 'apply', key, body: bodyOf(desired) };
  const gone = live !== undefined && isHubManaged(live);
  return gone ? { type: 'delete', key, live } : undefined;
};

/** Whether one live policy, or its absence, differs from the desired one. */
export const isDrift = (key: string, desired: DesiredPolicies, live: SovereignPolicy | undefined): boolean =>
  planOne(key, desired.get(key), live) !== undefined;

/** `metadata.generation` of a live policy that reads as desired; undefined: it reads otherwise, is being deleted, or is not there. */
export const generationAsDesired = (key: string, desired: DesiredPolicies, live: SovereignPolicy | undefined): number | undefined =>
  isDrift(key, desired, live) ? undefined : live?.metadata.generation;

/**
 * What to write so that the hub-managed policies are exactly the desired ones. Policies that are right already are not
 * written; applies come before deletes, so that a policy that was renamed governs without a gap. What must go first to be
 * written again comes before everything.
 */
export const planWrites = (desired: DesiredPolicies, live: ReadonlyMap<string, SovereignPolicy>): WritePlan => {
  const actions: WriteAction[] = [];
  const waiting: string[] = [];
  for (const key of [...new Set([...desired.keys(), ...live.keys()])].sort(byText)) {
    const action = planOne(key, desired.get(key), live.get(key));
    if (action === 'waiting') waiting.push(key);
    else if (action !== undefined) actions.push(action);
  }
  const ofType = (type: WriteAction['type']): readonly WriteAction[] => actions.filter((action) => action.type === type);
  return { actions: [...ofType('release'), ...ofType('apply'), ...ofType('delete')], waiting };
};

interface DesiredInput {
  readonly compiled: readonly CompiledPolicy[];
  readonly revision: string;
  readonly before: DesiredPolicies;
  readonly live: ReadonlyMap<string, SovereignPolicy>;
}

/**
 * The commit since which each policy reads as it does: an unchanged one keeps its commit, as remembered or, failing that, by
 * what stands in the cluster.
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
