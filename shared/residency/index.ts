export { REGION_LABEL } from '../api/index.ts';
export { decideResidency } from './decide.ts';
export { fixText, VIOLATIONS, type ViolationMessage, violationMessage } from './messages.ts';
export { type PodPlacement, podTemplateOf } from './placement.ts';
export type * from './types.ts';
