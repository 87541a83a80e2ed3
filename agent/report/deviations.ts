import { isNamespaceMissing, type PolicyReport } from '@fso/shared/api';
import { isExpired } from '@fso/shared/residency';
import { weakMemo } from '@fso/shared/runtime';
import {
  type ClusterProfile,
  type Deviation,
  deviationFrom,
  expectedReport,
  governedNamespaces,
  isGlobPolicy,
  type ListedPolicy,
  standingOf,
  unjudged,
} from '@fso/shared/status';
import type { PolicySnapshot } from '../observe/index.ts';

/** Inputs of the judgement of a policy of the accepted list. */
export interface ListedState {
  readonly listed: ListedPolicy;
  /**
   * Report of the policy as shown by the cluster, valid by its schema; undefined if there is none.
   */
  readonly entry: PolicyReport | undefined;
  /** Generation that the report describes. */
  readonly observedGeneration: PolicySnapshot['observedGeneration'] | undefined;
  /**
   * `metadata.generation` of the accepted content in the cluster; undefined if it is not there now.
   */
  readonly generation: number | undefined;
  readonly profile: ClusterProfile;
  /** Namespaces that any glob of the list matches: the same object while unchanged. */
  readonly namespaces: readonly string[];
  /** Time of the reconcile that the report is based on. */
  readonly asOf: Date;
}

/** Result of judging a policy of the list. */
export interface Judgement {
  /** undefined if the policy is as expected, which the baseline covers. */
  readonly deviation: Deviation | undefined;
  /** Whether the policy governs no namespace. The baseline has a bit for it. */
  readonly isMissing: boolean;
}

/**
 * Namespaces that each distinct pattern governs. Policies share patterns, and all of them change
 * with a new namespace.
 */
const governedOf = weakMemo((_namespaces: readonly string[]) => new Map<string, readonly string[]>());

const governedBy = ({ listed, profile, namespaces }: ListedState): readonly string[] => {
  if (!isGlobPolicy(listed)) return governedNamespaces(listed, namespaces, profile);
  const known = governedOf(namespaces);
  const pattern = JSON.stringify([listed.targetNamespace, listed.excludedNamespaces ?? [], profile.gatekeeperNamespace]);
  const governed = known.get(pattern) ?? governedNamespaces(listed, namespaces, profile);
  known.set(pattern, governed);
  return governed;
};

/** Judges a policy of the accepted list. Pure. */
export const judgeListed = (state: ListedState): Judgement => {
  const { listed, entry, generation, observedGeneration = 0, profile, asOf } = state;
  const standing = entry && standingOf(entry);
  if (generation === undefined) return { deviation: unjudged(standing, entry === undefined ? 'Absent' : 'Differs'), isMissing: false };
  if (entry === undefined || observedGeneration < generation) return { deviation: unjudged(standing, 'NotJudged'), isMissing: false };
  const isMissing = isNamespaceMissing(entry);
  const namespaces = isMissing ? [] : governedBy(state);
  const expected = expectedReport(listed, profile, { isExpired: isExpired(listed.expiryDate, asOf.getTime()), namespaces });
  const deviation = deviationFrom(expected, entry);
  return { deviation, isMissing: isMissing && deviation === undefined };
};

/** Whether two states have identical parts, so that their judgements are the same. */
export const isSameState = (a: ListedState, b: ListedState): boolean =>
  a.listed === b.listed &&
  a.entry === b.entry &&
  a.observedGeneration === b.observedGeneration &&
  a.generation === b.generation &&
  a.profile === b.profile &&
  (a.namespaces === b.namespaces || !isGlobPolicy(a.listed)) &&
  isExpired(a.listed.expiryDate, a.asOf.getTime()) === isExpired(b.listed.expiryDate, b.asOf.getTime());
