import { parseReference } from './reference.ts';
import { type GroupDefinition, MAX_GROUP_DEPTH } from './resolver.ts';

/** A reference of a group that cannot be followed. */
export interface GroupProblem {
  readonly group: string;
  readonly reference: string;
  readonly reason: string;
}

type Groups = ReadonlyMap<string, GroupDefinition>;

const namedBy = ({ members, exclude = [] }: GroupDefinition = { members: [] }): readonly string[] =>
  [...members, ...exclude].flatMap((reference) => {
    const parsed = parseReference(reference);
    return parsed.type === 'group' ? [parsed.group] : [];
  });

/** Returns the given groups and all groups that they contain, directly or indirectly. */
export const groupsWithin = (groups: Groups, names: Iterable<string>): ReadonlySet<string> => {
  const found = new Set(names);
  for (const name of found) {
    for (const inner of namedBy(groups.get(name))) found.add(inner);
  }
  return found;
};

/** Computes how deep groups are nested, and collects the problems found. */
class GroupHeights {
  readonly problems: GroupProblem[] = [];
  readonly #groups: Groups;
  readonly #heights = new Map<string, number>();

  constructor(groups: Groups) {
    this.#groups = groups;
  }

  /**
   * Height of a group: 0 for one that contains no other.
   *
   * @param path enclosing groups, and the group itself
   */
  of(name: string, path: readonly string[]): number {
    const known = this.#heights.get(name);
    if (known !== undefined) return known;
    let height = 0;
    for (const inner of namedBy(this.#groups.get(name))) {
      const end = endOf(path, inner);
      if (end === undefined) height = Math.max(height, 1 + this.of(inner, [...path, inner]));
      const reason = end ?? tooDeep(height);
      if (reason === undefined) continue;
      this.problems.push({ group: name, reference: `group:${inner}`, reason });
      break;
    }
    this.#heights.set(name, height);
    return height;
  }
}

/**
 * Finds references by which groups contain themselves or are nested deeper than {@link
 * MAX_GROUP_DEPTH}: the first one of each group.
 */
export const groupProblems = (groups: Groups): readonly GroupProblem[] => {
  const heights = new GroupHeights(groups);
  for (const name of groups.keys()) heights.of(name, [name]);
  return heights.problems;
};

/** Reason why a path cannot be followed into a group. */
const endOf = (path: readonly string[], inner: string): string | undefined => {
  const start = path.indexOf(inner);
  return start < 0 ? tooDeep(path.length) : `group ${inner} contains itself: ${[...path.slice(start), inner].join(' -> ')}`;
};

const tooDeep = (height: number): string | undefined =>
  height > MAX_GROUP_DEPTH ? `groups lie more than ${MAX_GROUP_DEPTH} deep in each other` : undefined;
