export { type CatalogIndex, indexCatalog, type Reading, readingOf } from './catalog-index.ts';
export { groupProblems, groupsWithin } from './group-cycles.ts';
export { nextRegionChange, type RegionsInForce, regionEnds, regionsInForce } from './in-force.ts';
export { judgeNode, type NodeFacts, type NodeJudgement, type NodeVerdict } from './judge-node.ts';
export { countryName, isCountryCode, placeText, readingText } from './places.ts';
export { type ParsedReference, parseReference } from './reference.ts';
export { providerProblem, referenceProblem } from './reference-problem.ts';
export { type GroupDefinition, RegionResolver, type ResolvedRegions } from './resolver.ts';
