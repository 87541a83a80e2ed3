export { GEO_RESIDENCY_KIND as CONSTRAINT_KIND } from '@fso/shared/kube';
export { isRefusedByOwnConstraint } from './constraint.ts';
export { planFloor } from './floor.ts';
export { isConstraintEnforced, isTemplateReady, planGatekeeper } from './gatekeeper.ts';
export { EXPIRY_WARNING_DAYS, planGovernance } from './governance.ts';
export type * from './kinds.ts';
export { planNamespaces } from './namespaces.ts';
export type * from './types.ts';
