import { sameItems } from '@fso/shared/runtime';
import type { Governor } from '../enforce/index.ts';
import { type DeniedNamespace, deniedNamespace } from '../risk/index.ts';
import type { Steps } from './question.ts';

/** Namespace whose denying rule changes; undefined on the side on which no policy denies. */
export interface ChangedNamespace {
  readonly namespace: string;
  readonly before: DeniedNamespace | undefined;
  readonly after: DeniedNamespace | undefined;
}

/** Rules of one namespace before and after a change. */
export interface NamespaceChange {
  readonly before: Governor;
  readonly after: Governor;
  /** Whether the API server injects placements in namespaces that ask for it. */
  readonly injects: boolean;
  /** Whether nodes are removed, which can change the effect of an unchanged rule. */
  readonly losesNodes: boolean;
}

const isSameRule = (a: DeniedNamespace | undefined, b: DeniedNamespace | undefined): boolean =>
  a === b ||
  (a !== undefined &&
    b !== undefined &&
    sameItems(a.deny.regions, b.deny.regions) &&
    sameItems(a.deny.policies, b.deny.policies) &&
    sameItems(a.injected, b.injected));

type Rules = ReturnType<Governor['rulesIn']>;

function* matchIn(governor: Governor, namespace: string): Steps<Rules> {
  yield 1 + governor.patternsFor(namespace);
  return governor.rulesIn(namespace);
}

/** Combines the rules of one side. The cost is the number of regions that are intersected. */
function* combineIn(governor: Governor, namespace: string, { rules, injects }: Combined): Steps<DeniedNamespace | undefined> {
  yield rules.reduce((sum, { regions }) => sum + 1 + regions.length, 0);
  const governance = governor.governanceIn(namespace, rules);
  return governance && deniedNamespace(governance, governor.regionsOf, injects);
}

interface Combined extends Pick<NamespaceChange, 'injects'> {
  readonly rules: Rules;
}

/** Finds the change in a namespace; undefined if there is none. */
export function* changedNamespace(namespace: string, change: NamespaceChange): Steps<ChangedNamespace | undefined> {
  const { injects, losesNodes } = change;
  const rules = { before: yield* matchIn(change.before, namespace), after: yield* matchIn(change.after, namespace) };
  if (!losesNodes && sameItems(rules.before, rules.after)) return undefined;
  const before = yield* combineIn(change.before, namespace, { rules: rules.before, injects });
  const after = yield* combineIn(change.after, namespace, { rules: rules.after, injects });
  const isMoved = losesNodes && after !== undefined;
  return isMoved || !isSameRule(before, after) ? { namespace, before, after } : undefined;
}
