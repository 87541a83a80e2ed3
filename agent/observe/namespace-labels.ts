import { KEY_PREFIX, MAX_LABELS, type PolicyReport } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { sameItems, weakMemo } from '@fso/shared/runtime';
import type { Namespace } from '../cache/index.ts';
import type { PolicyOutcome } from '../enforce/index.ts';

/** Labels of this system on one governed namespace, as a report names them. */
export type NamespaceLabels = NonNullable<PolicyReport['namespaceLabels']>[number];

/** Most governed namespaces that a report names. The others can be looked up in the cluster. */
const MAX_NAMED = 20;

/** Picks the first of this system's labels by key, as many as a report may name. */
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
 * This system's labels on the namespaces of each policy, regardless of who set them. Unchanged
 * values are the same objects, as reports are compared by identity.
 */
export class NamespaceLabelCache {
  readonly #known = new Map<string, readonly NamespaceLabels[]>();

  /**
   * Gets the labels of a policy's namespaces.
   *
   * @param namespaceOf reads the cache; undefined if the namespace was deleted
   */
  of(policy: string, outcome: PolicyOutcome, namespaceOf: (name: string) => Namespace | undefined): readonly NamespaceLabels[] {
    const governed = outcome.kind === 'governing' ? outcome.namespaces.slice(0, MAX_NAMED) : [];
    const labels = governed.flatMap((name) => namespaceOf(name) ?? []).map(ownLabels);
    const before = this.#known.get(policy) ?? NONE;
    if (sameItems(before, labels)) return before;
    this.#known.set(policy, labels);
    return labels;
  }

  /** Removes all other policies. */
  retain(policies: { has(policy: string): boolean }): void {
    for (const policy of this.#known.keys()) if (!policies.has(policy)) this.#known.delete(policy);
  }
}
