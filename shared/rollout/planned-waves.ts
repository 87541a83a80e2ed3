import { z } from 'zod';
import type { PolicySet } from '../decode/index.ts';
import { byText } from '../encoding/index.ts';
import { wavesOf } from './waves.ts';

const Count = z.int().min(0);

/** Most clusters that a planned wave lists by name. */
const NAMED = 20;

/** Waves in which a change would reach the clusters of a plan. */
export const PlannedWaves = z.object({
  from: z
    .enum(['ThisChange', 'NextCommit'])
    .describe(
      'ThisChange: the commit before has the strategy. NextCommit: the change brings the first one, and goes to every cluster at once itself.',
    ),
  waves: z
    .array(
      z.object({
        name: z.string(),
        isImplicit: z.boolean().describe('Whether it is the last wave, of the clusters that no wave of the strategy selects.'),
        clusters: Count.describe('Clusters of the plan in the wave.'),
        changed: Count.describe('Those whose policies change, as far as the caller sees them.'),
        isSkipped: z.boolean().describe('Whether nothing changes in the wave, also in clusters that are not compared.'),
        names: z.array(z.string()).describe(`The first of these clusters, those whose policies change before others; at most ${NAMED}.`),
      }),
    )
    .describe('In order, without waves that have no cluster of the plan.'),
});
export type PlannedWaves = z.infer<typeof PlannedWaves>;

type Side = Pick<PolicySet, 'rollout' | 'clusters'>;

/**
 * Plans the waves in which a change would reach its clusters. Uses the strategy and the labels of
 * the previous commit, and assumes that all waves have completed that commit. Pure.
 *
 * @param changed names of clusters whose policies change
 * @param wanted names of clusters that are compared; undefined: all
 * @returns null if neither commit has a strategy
 */
export const planWaves = (
  { before, after }: { readonly before: Side; readonly after: Side },
  changed: Iterable<string>,
  wanted?: readonly string[],
): PlannedWaves | null => {
  const strategy = before.rollout ?? after.rollout;
  if (strategy === undefined) return null;
  const registered = [...after.clusters, ...before.clusters].map(({ document: { metadata } }) => metadata);
  const labels = new Map(registered.map((metadata) => [metadata.name, metadata.labels ?? {}]));
  const all = [...labels].map(([name, of]) => ({ name, labels: of })).sort((left, right) => byText(left.name, right.name));
  const [changes, compared] = [new Set(changed), new Set(wanted ?? labels.keys())];
  const waves = wavesOf(strategy.document.spec, all).map(({ name, wave, clusters }) => {
    const { true: first = [], false: others = [] } = Object.groupBy(
      clusters.filter((cluster) => compared.has(cluster)),
      (cluster) => `${changes.has(cluster)}` as const,
    );
    return {
      name,
      isImplicit: wave === undefined,
      clusters: first.length + others.length,
      changed: first.length,
      isSkipped: !clusters.some((cluster) => changes.has(cluster)),
      names: [...first, ...others].slice(0, NAMED),
    };
  });
  return { from: before.rollout === undefined ? 'NextCommit' : 'ThisChange', waves: waves.filter(({ clusters }) => clusters > 0) };
};
