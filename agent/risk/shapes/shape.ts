import { byText } from '@fso/shared/encoding';
import type { PodTemplate } from '@fso/shared/risk';
import type { OwnerTemplates } from '../next-templates.ts';
import { namePattern } from './name-pattern.ts';

/** Pods with one placement of controllers whose names are alike. */
export interface Shape {
  readonly namespace: string;
  /** Kind of the controller; of pods without one `Pod`. */
  readonly kind: string;
  readonly name: string;
  readonly template: PodTemplate;
  /** Hour in which a pod of it was there last, RFC 3339. */
  readonly lastSeen: string;
}

/** A shape, and how many pods of it run. */
type LiveShape = Shape & { readonly live: number };

const DAY_MS = 86_400_000;

/** Jobs of these names are judged by their own templates. */
const patternsOf = (owners: readonly OwnerTemplates[]): ReadonlySet<string> =>
  new Set(
    owners.flatMap(({ kind, owner, sources }) => [
      ...(kind === 'CronJob' ? [namePattern(`${owner.metadata.name}-1`)] : []),
      ...sources.filter((source) => source.kind === 'Job').map(({ object }) => namePattern(object.metadata.name)),
    ]),
  );

/** Placements that others have followed for a day are of the past. */
const isPast = ({ live, lastSeen }: LiveShape, newest: string): boolean => live === 0 && Date.parse(newest) - Date.parse(lastSeen) > DAY_MS;

/**
 * Lists the shapes that none of the owners stands for, as owners, those that were seen last first.
 */
export const apartFrom = (shapes: readonly LiveShape[], owners: readonly OwnerTemplates[]): readonly OwnerTemplates[] => {
  const standing = patternsOf(owners);
  const groups = Map.groupBy(shapes.toReversed(), ({ kind, name }) => `${kind}/${name}`);
  return [...groups.values()].flatMap((group) => {
    const [newest] = group;
    if (newest === undefined || (newest.kind === 'Job' && standing.has(newest.name))) return [];
    const { kind, name, namespace } = newest;
    const metadata = { name, namespace };
    const [latest = ''] = group.map(({ lastSeen }) => lastSeen).sort((a, b) => byText(b, a));
    const present = group.filter((shape) => !isPast(shape, latest));
    const sources = present.map(({ template }) => ({ kind: 'Shape', object: { metadata }, template }) as const);
    return [{ kind, owner: { metadata }, sources, ...(present.every(({ live }) => live === 0) && { lastSeen: latest }) }];
  });
};
