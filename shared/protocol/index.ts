export * from './ages.ts';
export * from './checkpoint.ts';
export * from './codec.ts';
export * from './enrolment.ts';
export * from './event-weight.ts';
export * from './frames.ts';
export * from './reports.ts';
export { validate } from './validation.ts';
