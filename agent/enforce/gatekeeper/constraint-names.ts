import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';
import { sortedSet } from '../../compare.ts';
import { shortHash } from '../labels.ts';
import { entriesOf, entryText, groupNameOf } from './constraint.ts';
import type { Constraint } from './kinds.ts';

/** A constraint, planned or in the cluster, as far as its name may be used again. */
export interface NamedConstraint {
  readonly name: string;
  /** Names its group: what `constraintName` gives. */
  readonly group: string;
  /** Texts of its entries, sorted. */
  readonly entries: readonly string[];
}

/** A constraint of the cluster. */
export const namedConstraintOf: (constraint: Constraint) => NamedConstraint = weakMemo((constraint) => ({
  name: constraint.metadata.name,
  group: groupNameOf(constraint),
  entries: sortedSet(entriesOf(constraint).map(entryText)),
}));

const actionOf = (name: string): string => name.slice(0, name.lastIndexOf('-'));

/** The same for two constraints of one action with the same entries. */
const contentKey = ({ group, entries }: Omit<NamedConstraint, 'name'>): string => [actionOf(group), ...entries].join('\n');

const freshName = (group: string, isTaken: (name: string) => boolean): string => {
  for (let attempt = 0; ; attempt += 1) {
    const name = attempt === 0 ? group : `${actionOf(group)}-${shortHash(`${group} ${attempt}`, 10)}`;
    if (!isTaken(name)) return name;
  }
};

/**
 * Chooses the names of the wanted constraints. A group keeps the constraint that it has. A new one whose policies all come from one
 * constraint that nothing else wants gets that one: Gatekeeper then changes an object at once, instead of loading one and dropping
 * another, which takes both sides twice the work.
 *
 * @param held constraints that were planned before or are in the cluster; of two for one group the first counts
 * @returns names by group
 */
export const nameConstraints = (
  wanted: readonly Omit<NamedConstraint, 'name'>[],
  held: readonly NamedConstraint[],
): ReadonlyMap<string, string> => {
  const names = new Map<string, string>();
  const used = new Set<string>();
  const assign = (group: string, name: string): void => {
    names.set(group, name);
    used.add(name);
  };
  const groups = new Set(wanted.map(({ group }) => group));
  for (const { group, name } of held) if (groups.has(group) && !names.has(group) && !used.has(name)) assign(group, name);
  const left = held.filter(({ name }) => !used.has(name));
  const heldNames = new Set(held.map(({ name }) => name));
  for (const constraint of wanted.toSorted((a, b) => byText(a.group, b.group))) {
    if (names.has(constraint.group)) continue;
    const key = contentKey(constraint);
    const same = left.find((other) => !used.has(other.name) && contentKey(other) === key);
    assign(constraint.group, same?.name ?? freshName(constraint.group, (name) => used.has(name) || heldNames.has(name)));
  }
  return names;
};
