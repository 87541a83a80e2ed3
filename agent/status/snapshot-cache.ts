import type { LockStatus, PolicyReport, SovereignPolicyStatus } from '@fso/shared/api';
import { sortedSet } from '../compare.ts';
import type { PolicyInput } from '../enforce/index.ts';
import type { NamespaceLabels, PolicySnapshot, PolicyViolations } from '../observe/index.ts';
import { isProven } from './plan-status.ts';

interface SnapshotParts {
  readonly policy: PolicyInput;
  readonly status: SovereignPolicyStatus;
  readonly violations: PolicyViolations;
  readonly labels: readonly NamespaceLabels[];
}

/**
 * Last snapshot of each policy: the same object while its parts are unchanged, as readers detect
 * changes by identity.
 */
export class SnapshotCache {
  readonly #known = new Map<string, { readonly parts: SnapshotParts; readonly snapshot: PolicySnapshot }>();

  of(parts: SnapshotParts): PolicySnapshot {
    const { policy, status, violations, labels } = parts;
    const known = this.#known.get(policy.key);
    if (known !== undefined && isSameParts(known.parts, parts)) return known.snapshot;
    const snapshot = {
      report: toReport(policy, status, { violations, labels }),
      generation: policy.generation,
      observedGeneration: status.observedGeneration ?? 0,
      proven: isProven(status) && status.observedGeneration === policy.generation,
      violations: violations.namespaces,
    };
    this.#known.set(policy.key, { parts, snapshot });
    return snapshot;
  }

  retain(policies: Pick<ReadonlySet<string>, 'has'>): void {
    for (const key of this.#known.keys()) if (!policies.has(key)) this.#known.delete(key);
  }
}

const isSameParts = (a: SnapshotParts, b: SnapshotParts): boolean =>
  a.policy === b.policy && a.status === b.status && a.violations === b.violations && a.labels === b.labels;

/**
 * Violations of a policy and labels of its namespaces, which a report has in addition to the
 * status.
 */
export interface ReportFindings {
  readonly violations: PolicyViolations;
  readonly labels: readonly NamespaceLabels[];
}

/** Builds the report of a policy from its status. */
export const toReport = (policy: PolicyInput, status: SovereignPolicyStatus, { violations, labels }: ReportFindings): PolicyReport => ({
  namespace: policy.namespace,
  name: policy.name,
  managedBy: policy.managedBy,
  ...(policy.revision === undefined ? {} : { revision: policy.revision }),
  targetNamespace: policy.spec.targetNamespace,
  enforcementAction: policy.spec.enforcementAction,
  effectiveRegions: reportedRegions(policy, status),
  namespaces: status.namespaces ?? [],
  phase: status.phase ?? 'Pending',
  message: status.message ?? '',
  constraintCreated: status.constraintCreated ?? false,
  enforcement: status.enforcement ?? NO_ENFORCEMENT,
  namespaceLabels: [...labels],
  violations: violations.count,
  violationSamples: [...violations.samples],
  ...risksOf(status),
  conditions: status.conditions ?? [],
  ...expiryOf(policy),
  lastUpdated: status.lastUpdated ?? '1970-01-01T00:00:00.000Z',
});

/**
 * Regions as the hub compiled them, by which it recognizes the content of the policy. Conditions
 * report which of them are left out.
 */
const reportedRegions = ({ spec }: PolicyInput, { effectiveRegions = [] }: SovereignPolicyStatus): string[] =>
  spec.regionConflicts === undefined ? effectiveRegions : sortedSet(spec.allowedRegions);

/** Risks for a report; omitted if there are none, which is the expected state. */
const risksOf = ({ risks }: SovereignPolicyStatus): Pick<PolicyReport, 'risks'> =>
  risks === undefined || risks.refused + risks.pending + risks.mended === 0 ? {} : { risks };

/**
 * Expiry date for a report. A policy older than the CRD's validation may have an unreadable one.
 */
const expiryOf = ({ spec: { expiryDate } }: PolicyInput): Pick<PolicyReport, 'expiryDate'> =>
  expiryDate === undefined || Number.isNaN(Date.parse(expiryDate)) ? {} : { expiryDate };

const UNKNOWN_LOCK: LockStatus = { state: 'Pending', since: '1970-01-01T00:00:00.000Z' };
const NO_ENFORCEMENT = { admission: UNKNOWN_LOCK, gatekeeper: UNKNOWN_LOCK, binding: UNKNOWN_LOCK };
