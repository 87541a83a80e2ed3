export const REGIONS: string[] = ['eu-west-1', 'eu-central-1', 'eu-north-1', 'us-east-1', 'us-west-2'];

/** Distinct region sets, ten: a constraint each. */
export const REGION_SETS: readonly (readonly string[])[] = REGIONS.flatMap((first, index) => [
  [first],
  [first, REGIONS[(index + 1) % REGIONS.length] ?? first],
]);

/** The set of the policy with this number. */
export const regionSet = (index: number): string[] => [...(REGION_SETS[index % REGION_SETS.length] ?? REGIONS)];
