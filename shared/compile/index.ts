export { byText, canonicalJson, sha256 } from './canonical.ts';
export { compileCluster, compileFleet, digestOfPolicies, digestOfPolicy } from './compile.ts';
export { createDecoder, decodeFiles } from './decode.ts';
export { matchesSelector } from './label-selector.ts';
export type { DecodeLimits } from './limits.ts';
export { matchesNamespace } from './namespace-glob.ts';
export { isPolicyPath } from './paths.ts';
export { expandRegions, regionGroupsOf } from './regions.ts';
export type * from './types.ts';
