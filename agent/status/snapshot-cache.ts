import type { SovereignPolicyStatus } from '@fso/shared/api';
import type { PolicyInput } from '../enforce/index.ts';
import type { NamespaceLabels, PolicySnapshot, PolicyViolations } from '../observe/index.ts';
import { isProven, toReport } from './plan-status.ts';

interface SnapshotParts {
  readonly policy: PolicyInput;
  readonly status: SovereignPolicyStatus;
  readonly violations: PolicyViolations;
  readonly labels: readonly NamespaceLabels[];
}

/**
 * The last snapshot of each policy: the same object as long as its parts are, as readers find
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
