import type { RegionConflict } from '@fso/shared/api';
import { groupBy } from '@fso/shared/encoding';
import { regionsInForce } from '@fso/shared/regions';
import { weakMemo } from '@fso/shared/runtime';
import type { PolicyInput, PresentProviders } from './types.ts';

/** Policy reduced to the regions that are in force in this cluster now. */
export interface InForcePolicy extends PolicyInput {
  readonly leftOut?: readonly RegionConflict[];
}

/**
 * Removes the regions of a policy that a provider of this cluster reads as another place, and those
 * that have expired. Returns the same object while the same regions remain.
 */
export const inForce = (policy: PolicyInput, present: PresentProviders, now: number): InForcePolicy => {
  const { regions, conflicts } = regionsInForce(withAmbiguous(policy, present), present.providers, now);
  return conflicts.length === 0 ? policy : narrowed(policy).get(regions, betweenProviders(conflicts, present));
};

/**
 * Adds conflicts to a policy that was not compiled with a catalogue: a name that means different
 * countries to the cluster's providers is outside.
 */
const withAmbiguous = ({ managedBy, spec }: PolicyInput, { ambiguous }: PresentProviders): PolicyInput['spec'] => {
  if (managedBy === 'hub' || ambiguous.size === 0) return spec;
  const names = spec.allowedRegions.filter((region) => ambiguous.has(region));
  return names.length === 0 ? spec : { ...spec, regionConflicts: names.map((name) => conflictOf(name, ambiguous)) };
};

const conflictOf = (name: string, ambiguous: PresentProviders['ambiguous']): RegionConflict => ({
  providers: (ambiguous.get(name) ?? []).slice(0, 2),
  regions: [name],
});

/**
 * Keeps the conflicts over names that mean an allowed place on some nodes and a forbidden one on
 * others. If every node reads a name as outside, as in a cluster of one provider, the name is not
 * ambiguous and simply outside.
 */
const betweenProviders = (
  conflicts: readonly RegionConflict[],
  { catalog, providers, unnamed }: PresentProviders,
): readonly RegionConflict[] => {
  const single = conflicts.filter((conflict) => conflict.providers.length === 1);
  const pairs = single.flatMap(({ providers: [provider], regions }) => regions.map((region) => ({ region, provider })));
  const outside = groupBy(pairs, ({ region }) => region);
  const mayBeInside = (provider: string, region: string): boolean =>
    (catalog?.providers.get(provider)?.has(region) ?? true) && outside.get(region)?.some((pair) => pair.provider === provider) !== true;
  const isMixed = (region: string): boolean =>
    catalog === undefined || unnamed.has(region) || [...providers].some((provider) => mayBeInside(provider, region));
  return conflicts.flatMap((conflict) => {
    const regions = conflict.providers.length === 1 ? conflict.regions.filter(isMixed) : conflict.regions;
    return conflict.providers.length === 0 || regions.length === 0 ? [] : [{ ...conflict, regions }];
  });
};

/** Memo of the last narrowed form of a policy. */
const narrowed = weakMemo((policy: PolicyInput) => {
  let known: { readonly text: string; readonly policy: InForcePolicy } | undefined;
  return {
    get: (regions: readonly string[], leftOut: readonly RegionConflict[]): InForcePolicy => {
      const text = JSON.stringify([regions, leftOut]);
      if (known?.text !== text) known = { text, policy: { ...policy, spec: { ...policy.spec, allowedRegions: [...regions] }, leftOut } };
      return known.policy;
    },
  };
});
