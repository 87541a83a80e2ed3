export { REGION_LABEL } from '../api/index.ts';
export { type CombinablePolicy, type CombinedAction, combinePolicies } from './combine.ts';
export { decideResidency, type RegionReach, regionReach, schedulableRegions } from './decide.ts';
export { DAY_MS, EXPIRY_NOTICE_MS, EXPIRY_WARNING_DAYS, isExpired, isExpiring } from './expiry.ts';
export {
  BINDING_FIX,
  BINDING_VIOLATIONS,
  fixText,
  MAX_LISTED,
  MAX_REGION_VALUES,
  MAX_REQUIREMENTS,
  MAX_TERMS,
  MORE,
  VIOLATION_TEXTS,
  type ViolationMessage,
  violationMessage,
} from './messages.ts';
export * from './placement.ts';
export { reducePlacement } from './reduce-placement.ts';
