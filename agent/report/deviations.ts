import { isDeepStrictEqual } from 'node:util';
import { CONDITIONS, isShortReport, type PolicyReport, type ReportedLock, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { isExpired } from '@fso/shared/residency';
import { sameItems, weakMemo } from '@fso/shared/runtime';
import { type ClusterProfile, expectedReport, governedNamespaces, isGlobPolicy, type ListedPolicy } from '@fso/shared/status';
import type { PolicySnapshot } from '../observe/index.ts';
import { toSend } from './short-reports.ts';

/** All that a policy of the accepted list is judged by. */
export interface ListedState {
  readonly listed: ListedPolicy;
  /** Report of the policy as the cluster shows it, as its schema has it; undefined: it shows none. */
  readonly entry: PolicyReport | undefined;
  /** Generation that the report speaks of. */
  readonly observedGeneration: PolicySnapshot['observedGeneration'] | undefined;
  /** `metadata.generation` of the accepted content in the cluster; undefined: it is not there now. */
  readonly generation: number | undefined;
  readonly profile: ClusterProfile;
  /** Namespaces that any glob of the list means; the same object as long as they are the same. */
  readonly namespaces: readonly string[];
  /** Time of the round that the report is of. */
  readonly asOf: Date;
}

/** Result of judging a policy of the list. */
export interface Judgement {
  /** undefined: it is as expected, which the baseline says. */
  readonly deviation: PolicyReport | undefined;
  /** It governs no namespace; the baseline has a bit for it. */
  readonly isMissing: boolean;
}

/** Why a report does not speak of the accepted content; undefined: it does. */
const problemOf = ({ entry, generation, observedGeneration = 0 }: ListedState): string | undefined => {
  if (generation === undefined)
    return entry === undefined
      ? 'not in the cluster, and cannot be written yet'
      : 'reads otherwise in the cluster than in the accepted commit';
  return entry === undefined || observedGeneration < generation ? 'written, and not judged yet' : undefined;
};

/** A policy of the list is one of the hub, whatever its labels say now. */
const asOfHub = weakMemo((entry: PolicyReport): PolicyReport => (entry.managedBy === 'hub' ? entry : { ...entry, managedBy: 'hub' }));

/** Conditions that alert people, also where the rest of a report is of another content. */
export const alarmsOf = ({ conditions }: PolicyReport): PolicyReport['conditions'] =>
  conditions.filter(({ type, status }) => status === 'True' && (type === CONDITIONS.conflict || type === CONDITIONS.tampered));

const unproven = ({ since: _since, ...lock }: ReportedLock): ReportedLock => (lock.state === 'Enforced' ? { state: 'Pending' } : lock);

/** The report of a policy that is not, or not yet, as accepted: at best Pending. */
const staleReport = (entry: PolicyReport, message: string): PolicyReport => {
  if (entry.phase === 'Failed') return entry;
  const { namespaceLabels: _labels, ...report } = entry;
  const { admission, gatekeeper, binding } = entry.enforcement;
  return {
    ...report,
    phase: 'Pending',
    message,
    enforcement: { admission: unproven(admission), gatekeeper: unproven(gatekeeper), binding: unproven(binding) },
    conditions: alarmsOf(entry),
  };
};

const PENDING: ReportedLock = { state: 'Pending' };

/**
 * The report of a policy that the cluster shows nothing of, its fields in the order of the schema, as digests have it.
 *
 * @param since when that was first seen, RFC 3339
 */
const absentReport = ({ name, since: revision, ...listed }: ListedPolicy, message: string, since: string): PolicyReport => ({
  namespace: SYSTEM_NAMESPACE,
  name,
  managedBy: 'hub',
  revision,
  targetNamespace: listed.targetNamespace,
  enforcementAction: listed.enforcementAction,
  effectiveRegions: [...listed.effectiveRegions],
  namespaces: [],
  phase: 'Pending',
  message,
  constraintCreated: false,
  enforcement: { admission: PENDING, gatekeeper: PENDING, binding: PENDING },
  violations: 0,
  violationSamples: [],
  conditions: [],
  ...(listed.expiryDate === undefined ? {} : { expiryDate: listed.expiryDate }),
  lastUpdated: since,
});

/** Namespaces that each distinct pattern governs; policies share patterns, and all change with one more namespace. */
const governedOf = weakMemo((_namespaces: readonly string[]) => new Map<string, readonly string[]>());

const governedBy = ({ listed, profile, namespaces }: ListedState): readonly string[] => {
  if (!isGlobPolicy(listed)) return governedNamespaces(listed, namespaces, profile);
  const known = governedOf(namespaces);
  const pattern = JSON.stringify([listed.targetNamespace, listed.excludedNamespaces ?? [], profile.gatekeeperNamespace]);
  const governed = known.get(pattern) ?? governedNamespaces(listed, namespaces, profile);
  known.set(pattern, governed);
  return governed;
};

/** Whether a report says what the hub expects; since which commit the policy reads like this it knows better. */
const isExpected = ({ revision: _said, namespaces, ...sent }: PolicyReport, state: ListedState): boolean => {
  const { listed, profile, asOf } = state;
  const governed = sent.phase === 'Pending' ? [] : governedBy(state);
  const standing = { isExpired: isExpired(listed.expiryDate, asOf.getTime()), namespaces: governed };
  const { revision: _since, namespaces: expectedNamespaces, ...expected } = expectedReport(listed, profile, standing);
  // By far the longest field: of thousands of names each, a deep comparison takes a hundred times as long.
  return sameItems(namespaces, expectedNamespaces) && isDeepStrictEqual(sent, expected);
};

/** A policy whose report does not speak of the accepted content. @param said what was said of it before */
const notAsAccepted = ({ listed, entry, asOf }: ListedState, message: string, said: PolicyReport | undefined): PolicyReport => {
  if (entry !== undefined) return staleReport(asOfHub(entry), message);
  const since = said?.message === message ? said.lastUpdated : undefined;
  return absentReport(listed, message, since ?? asOf.toISOString());
};

/** Judges a policy of the accepted list. Pure. @param before its last judgement, of which a report that says the same stays as it is */
export const judgeListed = (state: ListedState, before: Judgement | undefined): Judgement => {
  const { entry } = state;
  const problem = problemOf(state);
  if (entry === undefined || problem !== undefined)
    return { deviation: notAsAccepted(state, problem ?? '', before?.deviation), isMissing: false };
  const sent = toSend(asOfHub(entry));
  const isAsExpected = isShortReport(sent) && isExpected(sent, state);
  return { deviation: isAsExpected ? undefined : sent, isMissing: isAsExpected && sent.phase === 'Pending' };
};

/** Returns the inputs of a judgement, to be compared by identity: from the same ones follows the same judgement. */
export const inputsOf = ({ listed, entry, observedGeneration, generation, profile, namespaces, asOf }: ListedState): readonly unknown[] => [
  listed,
  entry,
  observedGeneration,
  generation,
  profile,
  isGlobPolicy(listed) ? namespaces : undefined,
  isExpired(listed.expiryDate, asOf.getTime()),
];
