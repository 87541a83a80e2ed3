export { Intake, type IntakeDeps } from './intake.ts';
export type { IntakeOutcome } from './intake-events.ts';
export { loadAcceptedPlaces } from './state-store.ts';
