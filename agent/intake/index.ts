export { Intake, type IntakeDeps, type IntakeOutcome } from './intake.ts';
export { loadAcceptedPlaces } from './state-store.ts';
