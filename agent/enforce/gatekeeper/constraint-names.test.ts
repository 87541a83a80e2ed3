import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NamedConstraint, nameConstraints, type WantedConstraint } from './constraint-names.ts';

const GROUPS = ['geo-deny-aaaaaaaaaa', 'geo-deny-bbbbbbbbbb', 'geo-deny-cccccccccc', 'geo-warn-aaaaaaaaaa'];
const A = GROUPS[0] ?? '';
const B = GROUPS[1] ?? '';

/** Which policy is in which group; a group without policies is not wanted. */
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
    expect(namesOf([{ group: A, entries: ['p ns'] }], [])).toEqual({ [A]: A });
  });

  it('takes over the constraint that the same policies leave together, of the same action', () => {
    const held = [{ name: A, group: A, entries: ['p ns'] }];
    expect(nameConstraints([{ group: B, entries: ['p ns'] }], held).get(B)).toEqual({ name: A, group: B, formerGroup: A });
    const warned = 'geo-warn-bbbbbbbbbb';
    expect(namesOf([{ group: warned, entries: ['p ns'] }], held)).toEqual({ [warned]: warned });
    expect(namesOf([{ group: B, entries: ['p ns', 'q ns'] }], held)).toEqual({ [B]: B });
  });

  it('takes no constraint over in which another policy still waits', () => {
    const planned = { name: A, group: A, entries: ['p ns'] };
    const present = { name: A, group: A, entries: ['p ns', 'q ns'] };
    expect(namesOf([{ group: B, entries: ['p ns'] }], [planned, present])).toEqual({ [B]: B });
  });

  it('finds another name where the own one is another group’s', () => {
    const held = [{ name: A, group: B, entries: ['p ns'] }];
    const wanted = [
      { group: A, entries: ['q ns'] },
      { group: B, entries: ['p ns'] },
    ];
    const names = namesOf(wanted, held);
    expect(names[B]).toBe(A);
    expect(names[A]).toMatch(/^geo-deny-[0-9a-f]{10}$/);
    expect(names[A]).not.toBe(A);
  });

  /** @returns what is held after it */
  const step = (held: readonly NamedConstraint[], wanted: readonly WantedConstraint[]): NamedConstraint[] => {
    const before = new Map(held.map(({ group, name }) => [group, name]));
    const names = namesOf(wanted, held);
    expect(new Set(Object.values(names)).size).toBe(wanted.length);
    const constraints = wanted.map((constraint) => ({ ...constraint, name: names[constraint.group] ?? '' }));
    for (const { group, name } of constraints) {
      expect(name.slice(0, 9)).toBe(group.slice(0, 9));
      expect(name).toBe(before.get(group) ?? name);
    }
    return constraints;
  };

  it('gives each group a name of its own, and the same one while it lasts, over any history', () => {
    fc.assert(fc.property(fc.array(anyWanted, { maxLength: 12 }), (history) => void history.reduce<readonly NamedConstraint[]>(step, [])));
  });
});
