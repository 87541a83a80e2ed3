import { isDeepStrictEqual } from 'node:util';
import {
  CONDITIONS,
  type Condition,
  type LockStatus,
  MAX_MESSAGE,
  NAMESPACE_MISSING,
  type PolicyDenials,
  type PolicyRisks,
  type SovereignPolicyStatus,
} from '@fso/shared/api';
import { setCondition } from '@fso/shared/kube';
import { DAY_MS, EXPIRY_WARNING_DAYS } from '@fso/shared/residency';
import { listText, truncate } from '@fso/shared/runtime';
import type { PolicyInput, PolicyOutcome } from '../enforce/index.ts';
import type { AuditFacts } from '../observe/index.ts';
import { type Tampering, tamperedCondition } from '../observe/index.ts';
import { ambiguousCondition, endingCondition } from './conditions/region-conditions.ts';
import type { InjectionFacts } from './injection-facts.ts';
import type { LockFacts, PolicyLocks } from './locks.ts';

/** Observations of a policy, except for its locks. */
export interface PolicyObservations {
  readonly violations: number;
  /**
   * Owners at risk. `recent`: unknown for a moment, so the status keeps the last ones. Absent:
   * unknown, or the policy denies nothing.
   */
  readonly risks?: PolicyRisks | 'recent' | undefined;
  /** Owners whose pods were refused; undefined: none, or unknown. */
  readonly denials?: PolicyDenials | undefined;
  /** Absent if the policy does not ask for placement injection. */
  readonly injection?: InjectionFacts | undefined;
  /** Absent until Gatekeeper has audited the constraints of the policy twice. */
  readonly audit?: AuditFacts | undefined;
  /** Tampering within the last hour. */
  readonly tampering?: Tampering | undefined;
}

/** Policy with its locks and observations. */
export interface StatusInput {
  readonly policy: PolicyInput;
  readonly outcome: PolicyOutcome;
  readonly previous: SovereignPolicyStatus | undefined;
  readonly locks: PolicyLocks;
  readonly observed: PolicyObservations;
  readonly now: Date;
}

interface Verdict {
  readonly phase: NonNullable<SovereignPolicyStatus['phase']>;
  readonly reason: string;
  readonly message: string;
}

/**
 * Most regions in a column. Region names are short, so that three leave room for the other columns.
 */
const COLUMN_REGIONS = 3;

/** Formats regions for a column: `eu-central-1,eu-north-1,eu-west-1 +21`. */
const regionsColumn = (regions: readonly string[]): string => {
  const shown = regions.slice(0, COLUMN_REGIONS).join(',');
  return regions.length > COLUMN_REGIONS ? `${shown} +${regions.length - COLUMN_REGIONS}` : shown;
};

/** Longest message of a status and its conditions, as in their schema. */
const MAX_CONDITION_MESSAGE = 32_768;

const isSettled = (lock: LockFacts): boolean => lock.state !== 'Pending';
const isHeld = (lock: LockFacts): boolean => lock.state === 'Enforced';

/**
 * Derives the phase of a policy that governs from its locks: `Active` means proven, not applied.
 */
const governingVerdict = (input: StatusInput, regions: readonly string[], namespaces: readonly string[]): Verdict => {
  const { admission, binding, gatekeeper } = input.locks;
  const degraded = [admission, binding].find((lock) => lock.state === 'Degraded');
  if (degraded !== undefined) return { phase: 'Failed', reason: 'EnforcementFailed', message: degraded.message ?? 'lock 1 is not proven' };
  const open = [admission, binding, gatekeeper].find((lock) => !isSettled(lock));
  if (open !== undefined) return pending(open);
  if (![admission, gatekeeper].some(isHeld)) {
    if (gatekeeper.unanswered === true) return pending(gatekeeper);
    return { phase: 'Failed', reason: 'NoLock', message: [admission.message, gatekeeper.message].filter(Boolean).join('; ') };
  }
  const text = `${input.policy.spec.enforcementAction}: pods of ${listText(namespaces)} may run in ${listText(regions)}`;
  return { phase: 'Active', reason: 'Enforced', message: [text, ...notesOn(input.locks)].join('; ') };
};

/** Notes for auditors on a policy that is enforced. */
const notesOn = ({ admission, gatekeeper }: PolicyLocks): readonly string[] => {
  const isWeak = gatekeeper.state !== 'Enforced' && gatekeeper.state !== 'NotApplicable';
  return [
    ...(isHeld(admission) && admission.message !== undefined ? [admission.message] : []),
    ...(isWeak ? [`lock 1 only: ${gatekeeper.message ?? ''}`] : []),
  ];
};

/**
 * Verdict of a policy that is not proven yet. If another rule answers in place of a lock, the
 * policy neither fails nor counts as proven.
 */
const pending = ({ message = 'not proven yet', unanswered }: LockFacts): Verdict => ({
  phase: 'Pending',
  reason: unanswered === true ? 'Unanswered' : 'Proving',
  message,
});

/**
 * Phase of a policy whose namespace is missing. It fails if a user applied it in the cluster, who
 * can so see the mistake at once. A policy of the hub stays pending, as it is for many clusters,
 * some of which get the namespace later. So does a glob, as its namespaces come and go.
 */
const missingPhase = ({ managedBy }: PolicyInput, { isAbsent }: Extract<PolicyOutcome, { kind: 'namespaceMissing' }>): Verdict['phase'] =>
  managedBy === 'local' && isAbsent ? 'Failed' : 'Pending';

const verdictOf = (input: StatusInput): Verdict => {
  const { outcome } = input;
  switch (outcome.kind) {
    case 'invalid':
      return { phase: 'Failed', reason: 'Invalid', message: outcome.message };
    case 'namespaceMissing':
      return { phase: missingPhase(input.policy, outcome), reason: NAMESPACE_MISSING, message: outcome.message };
    case 'expired':
      return { phase: 'Expired', reason: 'Expired', message: `expired at ${outcome.expiredAt}` };
    case 'governing':
      return governingVerdict(input, outcome.regions, outcome.namespaces);
  }
};

const lockStatus = (facts: LockFacts, previous: LockStatus | undefined, now: Date): LockStatus => ({
  state: facts.state,
  since: previous?.state === facts.state ? previous.since : now.toISOString(),
  ...(facts.message === undefined ? {} : { message: truncate(facts.message, MAX_MESSAGE) }),
});

const LOCK_CONDITION_STATUS = {
  Enforced: 'True',
  Pending: 'False',
  Degraded: 'False',
  Unavailable: 'False',
  NotApplicable: 'Unknown',
} as const;

type NewCondition = Omit<Condition, 'lastTransitionTime'>;

const lockCondition = (type: string, lock: LockFacts): NewCondition => ({
  type,
  status: LOCK_CONDITION_STATUS[lock.state],
  reason: lock.unanswered === true ? 'Unanswered' : lock.state,
  message: lock.message ?? (lock.state === 'Enforced' ? 'proven' : ''),
});

const conflictCondition = (outcome: PolicyOutcome): NewCondition => {
  const conflicts = outcome.kind === 'governing' ? outcome.conflicts : [];
  if (conflicts.length === 0) return { type: CONDITIONS.conflict, status: 'False', reason: 'NoConflict', message: '' };
  const isEmpty = outcome.kind === 'governing' && outcome.regions.length === 0;
  const why = isEmpty ? 'none of its regions is inside in this cluster' : 'together with other policies no region is left';
  return {
    type: CONDITIONS.conflict,
    status: 'True',
    reason: 'NoRegionLeft',
    message: `${why}: nothing may run in ${listText(conflicts)}`,
  };
};

/**
 * Condition that is true from 14 days before the expiry. Its reason names the nearest of 14, 7 and
 * 1 days.
 */
const expiringCondition = ({ spec }: PolicyInput, now: Date): NewCondition | undefined => {
  if (spec.expiryDate === undefined) return undefined;
  const leftMs = Date.parse(spec.expiryDate) - now.getTime();
  const days = [...EXPIRY_WARNING_DAYS].sort((a, b) => a - b).find((candidate) => leftMs <= candidate * DAY_MS);
  if (Number.isNaN(leftMs)) {
    const unreadable = `spec.expiryDate: ${spec.expiryDate} is no RFC 3339 time; the policy does not expire`;
    return { type: CONDITIONS.expiring, status: 'Unknown', reason: 'Unreadable', message: unreadable };
  }
  const message = `expires at ${spec.expiryDate}`;
  if (leftMs <= 0) return { type: CONDITIONS.expiring, status: 'False', reason: 'Expired', message: `expired at ${spec.expiryDate}` };
  if (days === undefined) return { type: CONDITIONS.expiring, status: 'False', reason: 'NotSoon', message };
  return { type: CONDITIONS.expiring, status: 'True', reason: `Within${days}Days`, message };
};

const injectionCondition = ({ injection }: PolicyObservations): NewCondition | undefined =>
  injection && {
    type: CONDITIONS.placementInjection,
    status: injection.active ? 'True' : 'False',
    reason: injection.reason,
    message: injection.message,
  };

const auditCondition = ({ audit }: PolicyObservations): NewCondition | undefined =>
  audit && {
    type: CONDITIONS.auditAgrees,
    status: audit.agrees ? 'True' : 'False',
    reason: audit.agrees ? 'SameCount' : 'CountsDiffer',
    message: audit.message,
  };

/**
 * Condition by which tools decide whether waiting helps. Reconciling and Stalled are abnormal-true:
 * absent unless they are true.
 *
 * @see https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md
 */
const progressCondition = ({ phase, reason, message }: Verdict): NewCondition | undefined => {
  if (phase === 'Active') return undefined;
  const mayEndByWaiting = phase === 'Pending' || reason === NAMESPACE_MISSING;
  return { type: mayEndByWaiting ? CONDITIONS.reconciling : CONDITIONS.stalled, status: 'True', reason, message };
};

const conditionsOf = (input: StatusInput, verdict: Verdict): Condition[] => {
  const { policy, outcome, locks, observed, previous, now } = input;
  const wanted = [
    {
      type: CONDITIONS.ready,
      status: verdict.phase === 'Active' ? 'True' : 'False',
      reason: verdict.reason,
      message: verdict.message,
    } as const,
    progressCondition(verdict),
    lockCondition(CONDITIONS.floorReady, locks.admission),
    lockCondition(CONDITIONS.gatekeeperReady, locks.gatekeeper),
    conflictCondition(outcome),
    ambiguousCondition('leftOut' in outcome ? outcome.leftOut : undefined),
    endingCondition('ends' in outcome ? outcome.ends : undefined, now),
    expiringCondition(policy, now),
    injectionCondition(observed),
    auditCondition(observed),
    tamperedCondition(observed.tampering, previous?.conditions),
  ].filter((condition) => condition !== undefined);
  const kept = (previous?.conditions ?? []).filter((condition) => wanted.some(({ type }) => type === condition.type));
  return wanted.reduce<Condition[]>((conditions, condition) => {
    const message = truncate(condition.message, MAX_CONDITION_MESSAGE);
    return setCondition(conditions, { ...condition, message, observedGeneration: policy.generation }, now);
  }, kept);
};

/**
 * Plans the status that a policy should show.
 *
 * @returns `previous` itself if nothing but the time would change, so that there is nothing to
 * write
 */
export const planStatus = (input: StatusInput): SovereignPolicyStatus => {
  const { policy, outcome, locks, previous, now } = input;
  const verdict = verdictOf(input);
  const { violations, risks: seen, denials } = input.observed;
  const risks = seen === 'recent' ? previous?.risks : seen;
  const next: SovereignPolicyStatus = {
    phase: verdict.phase,
    lastUpdated: previous?.lastUpdated ?? now.toISOString(),
    message: truncate(verdict.message, MAX_CONDITION_MESSAGE),
    constraintCreated: locks.constraintCreated,
    observedGeneration: policy.generation,
    conditions: conditionsOf(input, verdict),
    namespaces: outcome.kind === 'governing' ? [...outcome.namespaces].slice(0, 10_000) : [],
    regions: regionsColumn(outcome.kind === 'invalid' ? [] : outcome.regions),
    effectiveRegions: outcome.kind === 'invalid' ? [] : [...outcome.regions],
    ...(policy.revision === undefined ? {} : { revision: policy.revision }),
    enforcement: {
      admission: lockStatus(locks.admission, previous?.enforcement?.admission, now),
      gatekeeper: lockStatus(locks.gatekeeper, previous?.enforcement?.gatekeeper, now),
      binding: lockStatus(locks.binding, previous?.enforcement?.binding, now),
    },
    violations,
    ...(risks !== undefined && { risks }),
    ...(denials !== undefined && { denials }),
  };
  return previous !== undefined && isDeepStrictEqual(next, previous) ? previous : { ...next, lastUpdated: now.toISOString() };
};

const PROVEN_STATES = new Set(['Enforced', 'Unavailable', 'NotApplicable']);

/** Whether this cluster has nothing left to put in force for the policy. */
export const isProven = (status: SovereignPolicyStatus): boolean =>
  status.enforcement !== undefined &&
  Object.values(status.enforcement).every((lock) => PROVEN_STATES.has(lock.state)) &&
  (status.phase === 'Active' || status.phase === 'Expired' || isMissingNamespace(status));

/**
 * Whether the namespace of a policy is missing. Such a policy has nothing to enforce and does not
 * delay a revision.
 */
const isMissingNamespace = (status: SovereignPolicyStatus): boolean =>
  status.conditions?.some((condition) => condition.type === CONDITIONS.ready && condition.reason === NAMESPACE_MISSING) === true;
