import { KEY_PREFIX, MAX_LABELS, type PolicyReport } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { sameItems, weakMemo } from '@fso/shared/runtime';
import type { Namespace } from '../cache/index.ts';
import type { PolicyOutcome } from '../enforce/index.ts';

/** Labels of this system on one governed namespace, as a report names them. */
export type NamespaceLabels = NonNullable<PolicyReport['namespaceLabels']>[number];

/** Limit of the governed namespaces that a report names; the rest is seen in the cluster. */
const MAX_NAMED = 20;

/** The first of them by key, as many as a report may name. */
const ownOf = (labels: readonly [string, string][]): readonly [string, string][] => {
  const own = labels.filter(([key]) => key.startsWith(KEY_PREFIX));
  return own.length > MAX_LABELS ? own.toSorted(([a], [b]) => byText(a, b)).slice(0, MAX_LABELS) : own;
};

const ownLabels = weakMemo(
  ({ metadata: { name, labels = {} } }: Namespace): NamespaceLabels => ({
    namespace: name,
    labels: Object.fromEntries(ownOf(Object.entries(labels))),
  }),
);

const NONE: readonly NamespaceLabels[] = [];

/**
 * The labels of this system as they stand on the namespaces of each policy, whichever writer set
 * them. What did not change is the same object, as reports are compared by identity.
 */
export class NamespaceLabelCache {
  readonly #known = new Map<string, readonly NamespaceLabels[]>();

  /** @param namespaceOf from the cache; undefined: it is gone */
  of(policy: string, outcome: PolicyOutcome, namespaceOf: (name: string) => Namespace | undefined): readonly NamespaceLabels[] {
    const governed = outcome.kind === 'governing' ? outcome.namespaces.slice(0, MAX_NAMED) : [];
    const labels = governed.flatMap((name) => namespaceOf(name) ?? []).map(ownLabels);
    const before = this.#known.get(policy) ?? NONE;
    if (sameItems(before, labels)) return before;
    this.#known.set(policy, labels);
    return labels;
  }

  /** Forgets all other policies. */
  retain(policies: { has(policy: string): boolean }): void {
    for (const policy of this.#known.keys()) if (!policies.has(policy)) this.#known.delete(policy);
  }
}
