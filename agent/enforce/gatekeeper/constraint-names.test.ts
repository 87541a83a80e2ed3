import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NamedConstraint, nameConstraints } from './constraint-names.ts';

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

describe('nameConstraints', () => {
  it('names a new group by itself', () => {
    expect(nameConstraints([{ group: A, entries: ['p ns'] }], [])).toEqual(new Map([[A, A]]));
  });

  it('uses the constraint again that the same policies leave together, of the same action', () => {
    const held = [{ name: A, group: A, entries: ['p ns'] }];
    expect(nameConstraints([{ group: B, entries: ['p ns'] }], held)).toEqual(new Map([[B, A]]));
    expect(nameConstraints([{ group: 'geo-warn-bbbbbbbbbb', entries: ['p ns'] }], held)).toEqual(
      new Map([['geo-warn-bbbbbbbbbb', 'geo-warn-bbbbbbbbbb']]),
    );
    expect(nameConstraints([{ group: B, entries: ['p ns', 'q ns'] }], held)).toEqual(new Map([[B, B]]));
  });

  it('finds another name where the own one is another group’s', () => {
    const held = [{ name: A, group: B, entries: ['p ns'] }];
    const names = nameConstraints(
      [
        { group: A, entries: ['q ns'] },
        { group: B, entries: ['p ns'] },
      ],
      held,
    );
    expect(names.get(B)).toBe(A);
    expect(names.get(A)).toMatch(/^geo-deny-[0-9a-f]{10}$/);
    expect(names.get(A)).not.toBe(A);
  });

  /** @returns what is held after it */
  const step = (held: readonly NamedConstraint[], wanted: readonly Omit<NamedConstraint, 'name'>[]): NamedConstraint[] => {
    const before = new Map(held.map(({ group, name }) => [group, name]));
    const names = nameConstraints(wanted, held);
    expect(new Set(names.values()).size).toBe(wanted.length);
    const constraints = wanted.map((constraint) => ({ ...constraint, name: names.get(constraint.group) ?? '' }));
    for (const { group, name } of constraints) {
      expect(name.slice(0, 9)).toBe(group.slice(0, 9));
      expect(name).toBe(before.get(group) ?? name);
    }
    return constraints;
  };

  it('gives each group a name of its own, and the same one while it lasts, over any history', () => {
    fc.assert(fc.property(fc.array(anyWanted, { maxLength: 12 }), (history) => void history.reduce<readonly NamedConstraint[]>(step, [])));
  });

  it('survives labels that another writer exchanged', () => {
    const held = [
      { name: A, group: B, entries: ['p ns'] },
      { name: B, group: B, entries: ['q ns'] },
    ];
    const names = nameConstraints(
      [
        { group: A, entries: ['p ns'] },
        { group: B, entries: ['q ns'] },
      ],
      held,
    );
    expect(new Set(names.values()).size).toBe(2);
  });
});
