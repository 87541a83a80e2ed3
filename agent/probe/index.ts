export type { CanaryTarget } from './canary-prober.ts';
export type { GuardProblem, GuardTarget } from './guard/guard-prober.ts';
export { askForPod, judgeMustDeny, NO_REGION, type ProbeClient, refuserOf } from './probe.ts';
export type { ProbeState, ProofState } from './probe-states.ts';
export type { ProbeTarget } from './prober.ts';
export { Probers } from './probers.ts';
export type { TemplateAnswer, TemplateTarget } from './templates/template-prober.ts';
