export const REGIONS: string[] = ['eu-west-1', 'eu-central-1', 'eu-north-1', 'us-east-1', 'us-west-2'];

/** Ten distinct region sets, each of which has its own constraint. */
export const REGION_SETS: readonly (readonly string[])[] = REGIONS.flatMap((first, index) => [
  [first],
  [first, REGIONS[(index + 1) % REGIONS.length] ?? first],
]);

/** Returns the region set of the policy with this number. */
export const regionSet = (index: number): string[] => [...(REGION_SETS[index % REGION_SETS.length] ?? REGIONS)];
