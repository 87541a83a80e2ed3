export { checkSelector } from './checks/check-document.ts';
export type { Extent } from './checks/check-set.ts';
export { type AloneDecoder, createAloneDecoder, createDecoder, decodeAlone, decodeFiles, decodeOnto } from './decode.ts';
export { pathText, type ValueProblem, valueProblems } from './issue-text.ts';
export {
  FOLDERS,
  folderOf,
  folderProblem,
  isPolicyPath,
  isScopeName,
  nameOf,
  parentOf,
  registrationPaths,
  registrationPlace,
  SCOPE_FILE,
  twinsAmong,
} from './paths.ts';
export { matchesSelector, type PlacementTest, placementTest } from './placement.ts';
export { type DocumentText, documentTexts, type PolicyText, policyTexts } from './policy-text.ts';
export { groupsNamed, regionsOf } from './regions.ts';
export { isInScope, type Scopes, scopesAbove, scopesOf, scopeTests } from './scopes.ts';
export type * from './types.ts';
export { DEFAULT_LIMITS } from './types.ts';
export { type DecodedValue, decodeValue } from './yaml/decode-value.ts';
export { readYamlFile } from './yaml/yaml-file.ts';
