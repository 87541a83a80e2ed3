/** The part of this folder that runs without Node.js: browsers, too, read documents with it. */
export { canonicalJson } from '../encoding/canonical-json.ts';
export { DEFAULT_LIMITS, type DecodeLimits, type SourceProblem } from './types.ts';
export { readYamlFile, type ValuePath } from './yaml/yaml-file.ts';
