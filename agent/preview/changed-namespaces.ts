import { sameItems } from '@fso/shared/runtime';
import type { Governor } from '../enforce/index.ts';
import { type DeniedNamespace, deniedNamespace } from '../risk/index.ts';
import type { Steps } from './question.ts';

/** A namespace whose denying rule changes. Undefined: no policy denies there. */
export interface ChangedNamespace {
  readonly namespace: string;
  readonly before: DeniedNamespace | undefined;
  readonly after: DeniedNamespace | undefined;
}

export interface NamespaceChange {
  readonly before: Governor;
  readonly after: Governor;
  /** Whether the API server injects placements where a namespace asks for it. */
  readonly injects: boolean;
  /** Whether nodes go, so that the same rule may do something else. */
  readonly losesNodes: boolean;
}

const isSameRule = (a: DeniedNamespace | undefined, b: DeniedNamespace | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    sameItems(a.deny.regions, b.deny.regions) &&
    sameItems(a.deny.policies, b.deny.policies) &&
    sameItems(a.injected, b.injected));

/** Finds the namespaces in which something changes, one of the names at a step. */
export function* changedNamespaces(
  names: readonly string[],
  { before, after, injects, losesNodes }: NamespaceChange,
): Steps<readonly ChangedNamespace[]> {
  const deniedBy = (governor: Governor, name: string): DeniedNamespace | undefined => {
    const governance = governor.governanceIn(name);
    return governance && deniedNamespace(governance, governor.regionsOf, injects);
  };
  const changed: ChangedNamespace[] = [];
  for (const namespace of names) {
    yield 1 + before.globs + after.globs;
    if (!losesNodes && sameItems(before.rulesIn(namespace), after.rulesIn(namespace))) continue;
    const sides = { before: deniedBy(before, namespace), after: deniedBy(after, namespace) };
    const isMoved = losesNodes && sides.after !== undefined;
    if (isMoved || !isSameRule(sides.before, sides.after)) changed.push({ namespace, ...sides });
    yield;
  }
  return changed;
}
