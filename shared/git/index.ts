export { type ClusterPart, reasonOf } from './cluster-part.ts';
export * from './objects.ts';
export * from './trailers.ts';
export * from './tree-edits.ts';
export * from './walk.ts';
export * from './walk-options.ts';
