/** Exports that run without Node.js, for browsers. */
export { canonicalJson } from '../encoding/canonical-json.ts';
export { DEFAULT_LIMITS, type DecodeLimits, type SourceProblem } from './types.ts';
export { readYamlFile, type ValuePath } from './yaml/yaml-file.ts';
