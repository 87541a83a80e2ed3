export { REGION_LABEL } from '../api/index.ts';
export { decideResidency } from './decide.ts';
export {
  BINDING_FIX,
  BINDING_VIOLATIONS,
  fixText,
  MAX_REGION_VALUES,
  MAX_TERMS,
  VIOLATIONS,
  type ViolationMessage,
  violationMessage,
} from './messages.ts';
export { type PodPlacement, podTemplateOf } from './placement.ts';
export type * from './types.ts';
