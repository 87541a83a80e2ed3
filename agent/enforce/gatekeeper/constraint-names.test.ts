import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constraintName, namePrefixOf } from './constraint.ts';
import { type NamedConstraint, nameConstraints, type WantedConstraint } from './constraint-names.ts';

const GROUPS = ['geo-deny a', 'geo-deny b', 'geo-deny c', 'geo-warn a'];
const A = GROUPS[0] ?? '';
const B = GROUPS[1] ?? '';
const nameOfA = constraintName(A);

/** Wanted constraints by group; a group without policies is not wanted. */
const anyWanted = fc.array(fc.constantFrom(...GROUPS), { minLength: 3, maxLength: 3 }).map((groups) =>
  [...Map.groupBy(groups.entries(), ([, group]) => group)].map(([group, members]) => ({
    group,
    entries: members.map(([index]) => `p${index} ns`),
  })),
);

const namesOf = (wanted: readonly WantedConstraint[], held: readonly NamedConstraint[]): Record<string, string> =>
  Object.fromEntries([...nameConstraints(wanted, held)].map(([group, { name }]) => [group, name]));

describe('nameConstraints', () => {
  it('names a new group by itself', () => {
    expect(namesOf([{ group: A, entries: ['p ns'] }], [])).toEqual({ [A]: nameOfA });
  });

  it('takes over the constraint that the same policies leave together, of the same action', () => {
    const held = [{ name: nameOfA, group: A, entries: ['p ns'] }];
    expect(nameConstraints([{ group: B, entries: ['p ns'] }], held).get(B)).toEqual({ name: nameOfA, group: B, formerGroup: A });
    const warned = 'geo-warn b';
    expect(namesOf([{ group: warned, entries: ['p ns'] }], held)).toEqual({ [warned]: constraintName(warned) });
    expect(namesOf([{ group: B, entries: ['p ns', 'q ns'] }], held)).toEqual({ [B]: constraintName(B) });
  });

  it('takes no constraint over in which another policy still waits', () => {
    const planned = { name: nameOfA, group: A, entries: ['p ns'] };
    const present = { name: nameOfA, group: A, entries: ['p ns', 'q ns'] };
    expect(namesOf([{ group: B, entries: ['p ns'] }], [planned, present])).toEqual({ [B]: constraintName(B) });
  });

  it('finds another name where the own one is another group’s', () => {
    const held = [{ name: nameOfA, group: B, entries: ['p ns'] }];
    const wanted = [
      { group: A, entries: ['q ns'] },
      { group: B, entries: ['p ns'] },
    ];
    const names = namesOf(wanted, held);
    expect(names[B]).toBe(nameOfA);
    expect(names[A]).toMatch(/^geo-deny-[0-9a-f]{32}$/);
    expect(names[A]).not.toBe(nameOfA);
  });

  /** @returns the named constraints after it */
  const step = (held: readonly NamedConstraint[], wanted: readonly WantedConstraint[]): NamedConstraint[] => {
    const before = new Map(held.map(({ group, name }) => [group, name]));
    const names = namesOf(wanted, held);
    expect(new Set(Object.values(names)).size).toBe(wanted.length);
    const constraints = wanted.map((constraint) => ({ ...constraint, name: names[constraint.group] ?? '' }));
    for (const { group, name } of constraints) {
      expect(name.startsWith(`${namePrefixOf(group)}-`)).toBe(true);
      expect(name).toBe(before.get(group) ?? name);
    }
    return constraints;
  };

  it('gives each group a name of its own, and the same one while it lasts, over any history', () => {
    fc.assert(fc.property(fc.array(anyWanted, { maxLength: 12 }), (history) => void history.reduce<readonly NamedConstraint[]>(step, [])));
  });
});
