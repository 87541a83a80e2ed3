export { type CatalogIndex, indexCatalog, type Reading, readingOf } from './catalog-index.ts';
export { nextRegionChange, type RegionsInForce, regionsInForce } from './in-force.ts';
export { judgeNode, type NodeFacts, type NodeJudgement, type NodeVerdict } from './judge-node.ts';
export { countryName, isCountryCode, placeText, readingText } from './places.ts';
export { type ParsedReference, parseReference } from './reference.ts';
