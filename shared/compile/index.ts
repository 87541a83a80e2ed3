export { compileCluster, compileFleet, digestOfPolicies, digestOfPolicy } from './compile.ts';
export { matchesSelector } from './label-selector.ts';
export { matchesNamespace } from './namespace-glob.ts';
export type * from './types.ts';
