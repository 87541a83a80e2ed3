import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { sortedSet } from '../../compare.ts';
import { constraintName, entriesOf, entryText, groupIdentityOf, namePrefixOf } from './constraint.ts';
import type { Constraint } from './kinds.ts';

/** Constraint, planned or in the cluster, whose name may be reused. */
export interface NamedConstraint {
  readonly name: string;
  /** Identity of its group. */
  readonly group: string;
  /** Texts of its entries, sorted. */
  readonly entries: readonly string[];
}

/** Desired constraint that has no name yet. */
export type WantedConstraint = Omit<NamedConstraint, 'name'>;

/** Name of a constraint, and the group of policies that it is for. */
export interface ConstraintIdentity {
  readonly name: string;
  readonly group: string;
  /** Group whose constraint this one takes over; undefined: none. */
  readonly formerGroup: string | undefined;
}

/** Reads name, group and entries from a constraint of the cluster. */
export const namedConstraintOf: (constraint: Constraint) => NamedConstraint = weakMemo((constraint) => ({
  name: constraint.metadata.name,
  group: groupIdentityOf(constraint),
  entries: sortedSet(entriesOf(constraint).map(entryText)),
}));

/** Key that is equal for constraints of one action with the same entries. */
const contentKey = ({ group, entries }: WantedConstraint): string => [namePrefixOf(group), ...entries].join('\n');

const freshName = (group: string, isTaken: (name: string) => boolean): string => {
  for (let attempt = 0; ; attempt += 1) {
    const name = constraintName(group, attempt);
    if (!isTaken(name)) return name;
  }
};

/**
 * Chooses the names of the wanted constraints. A group keeps its constraint. A new group with
 * exactly the policies of a constraint that no other group uses takes that one over: Gatekeeper
 * then updates one object, which is half the work of loading one and dropping another.
 *
 * @param held planned constraints, then those in the cluster. A name that occurs twice is taken
 * over only if both have the same policies, since policies in the cluster may still wait for a
 * move.
 * @returns identities by group
 */
export const nameConstraints = (
  wanted: readonly WantedConstraint[],
  held: readonly NamedConstraint[],
): ReadonlyMap<string, ConstraintIdentity> => {
  const identities = new Map<string, ConstraintIdentity>();
  const used = new Set<string>();
  const assign = (group: string, name: string, formerGroup?: string): void => {
    identities.set(group, { name, group, formerGroup });
    used.add(name);
  };
  const groups = new Set(wanted.map(({ group }) => group));
  for (const { group, name } of held) if (groups.has(group) && !identities.has(group) && !used.has(name)) assign(group, name);
  const byName = Map.groupBy(held, ({ name }) => name);
  const isOf = (key: string) => (other: NamedConstraint) => contentKey(other) === key;
  for (const constraint of wanted.toSorted((a, b) => byText(a.group, b.group))) {
    if (identities.has(constraint.group)) continue;
    const isSame = isOf(contentKey(constraint));
    const former = held.find((other) => !used.has(other.name) && (byName.get(other.name) ?? []).every(isSame));
    const first = constraintName(constraint.group);
    // The group's own name is free even if a constraint with other content has it: another writer
    // changed that one, or no policy wants it any more.
    const isTaken = (name: string): boolean => used.has(name) || (name !== first && byName.has(name));
    if (former === undefined) assign(constraint.group, freshName(constraint.group, isTaken));
    else assign(constraint.group, former.name, former.group);
  }
  return identities;
};
