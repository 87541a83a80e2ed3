export { byText, canonicalJson } from './canonical-json.ts';
export * from './csv.ts';
export { groupBy } from './group-by.ts';
export { fnv1a, sha256 } from './hash.ts';
export * from './html.ts';
export * from './read-json.ts';
