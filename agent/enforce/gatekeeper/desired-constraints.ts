import { byText } from '@fso/shared/encoding';
import { sameItems } from '@fso/shared/runtime';
import { isForGatekeeper } from '@fso/shared/status';
import { sortedSet } from '../../compare.ts';
import type { Rule } from '../rules.ts';
import type { DesiredConstraint, FormerConstraint, Governance } from '../types.ts';
import { type ConstraintGroup, constraintBody, constraintName, entryText, groupIdentityOf, isOwnName } from './constraint.ts';
import { type ConstraintIdentity, nameConstraints, namedConstraintOf } from './constraint-names.ts';
import type { Constraint, ConstraintEntry } from './kinds.ts';

/**
 * Whether the cluster has shown the result of a move. The move is then over, and its former content
 * would be another writer's.
 */
export const hasShownMove = ({ constraints }: Governance, present: readonly Constraint[], now: Date): boolean => {
  const moving = constraints.filter(({ former }) => former !== undefined);
  if (moving.length === 0) return false;
  const byName = new Map(present.map((constraint) => [constraint.metadata.name, constraint]));
  return moving.some((constraint) => isMoved(constraint, byName.get(constraint.name), now));
};

/** Longer than any write takes: a state observed after that is no older than the move. */
const OVERTAKEN_MS = 60_000;

/**
 * Whether the cluster shows the result of a move. Uid and generation are compared because equal
 * content alone may be older: policies can move there and back before any write.
 */
const isMoved = ({ group, former }: DesiredConstraint, observed: Constraint | undefined, now: Date): boolean => {
  if (observed === undefined || former === undefined || groupIdentityOf(observed) !== group) return false;
  const { uid, generation } = versionOf(observed);
  return uid !== former.uid || generation > former.generation || now.getTime() - former.since.getTime() > OVERTAKEN_MS;
};

const versionOf = (constraint: Constraint | undefined): Pick<FormerConstraint, 'uid' | 'generation'> => ({
  uid: constraint?.metadata.uid,
  generation: constraint?.metadata.generation ?? 0,
});

/**
 * Plans one constraint for each distinct region list, action and exclusion. It lists the policies'
 * own patterns, so it covers a namespace from its creation on. A pod must pass all constraints of
 * its namespace.
 */
export const planConstraints = (
  rules: readonly Rule[],
  { present, previous, now }: { present: readonly Constraint[]; previous: Governance | undefined; now: Date },
): readonly DesiredConstraint[] => {
  const planned = previous?.constraints ?? [];
  const groups = Map.groupBy(
    rules.filter(({ spec }) => isForGatekeeper(spec)),
    (rule) => rule.groupIdentity,
  );
  const wanted = [...groups].map(([group, members]) => ({ group, entries: sortedSet(members.map(entryOf).map(entryText)) }));
  // The last planned constraints may not be in the cluster yet.
  const held = [...planned.map(({ body }) => namedConstraintOf(body as Constraint)), ...present.filter(isOwnName).map(namedConstraintOf)];
  const identities = nameConstraints(wanted, held);
  const before = new Map(planned.map((constraint) => [constraint.name, constraint]));
  const observed = new Map(present.map((constraint) => [constraint.metadata.name, constraint]));
  return [...groups]
    .map(([group, members]) => {
      const identity = identities.get(group) ?? { name: constraintName(group), group, formerGroup: undefined };
      const known = before.get(identity.name);
      const former = formerOf(identity, known, { observed: observed.get(identity.name), now });
      const isKept = known?.group === group && known.former === former && sameItems(known.from, members);
      return isKept ? known : constraintOf(identity, former, members);
    })
    .sort((a, b) => byText(a.name, b.name));
};

/**
 * Collects the groups that the constraint was planned for since the cluster last showed the wanted
 * one. The cluster may still show any of them.
 */
const formerOf = (
  { group, formerGroup }: ConstraintIdentity,
  known: DesiredConstraint | undefined,
  { observed, now }: { readonly observed: Constraint | undefined; readonly now: Date },
): FormerConstraint | undefined => {
  const seen = { ...versionOf(observed), since: now };
  if (known === undefined) return formerGroup === undefined ? undefined : { groups: [formerGroup], ...seen };
  const before = isMoved(known, observed, now) ? undefined : known.former;
  if (known.group === group) return before;
  return { groups: sortedSet([...(before?.groups ?? []), known.group]), ...seen };
};

const entryOf = (rule: Rule): ConstraintEntry => ({ name: rule.key, pattern: rule.spec.targetNamespace });

/** Fallback for a group without members, which does not occur. */
const NO_GROUP: ConstraintGroup = { regions: [], action: 'deny', excludedNamespaces: [], scoped: [] };

const constraintOf = (
  { name, group }: ConstraintIdentity,
  former: FormerConstraint | undefined,
  members: readonly Rule[],
): DesiredConstraint => {
  const entries = members.map(entryOf);
  const body = constraintBody(members[0]?.group ?? NO_GROUP, entries, name);
  return { name, group, former, policies: sortedSet(entries.map((entry) => entry.name)), body, from: members };
};
