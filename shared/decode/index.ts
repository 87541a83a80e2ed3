export { createDecoder, decodeFiles } from './decode.ts';
export { isPolicyPath } from './paths.ts';
export { type PolicyText, policyTexts } from './policy-text.ts';
export { expandRegions, type RegionGroups, regionGroupsOf } from './regions.ts';
export type * from './types.ts';
