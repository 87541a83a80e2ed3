export { Intake, type IntakeOutcome } from './intake.ts';
