export * from './ages.ts';
export * from './checkpoint.ts';
export * from './codec.ts';
export * from './enrolment.ts';
export * from './event-weight.ts';
export * from './frames.ts';
export { exceededJsonLimit } from './json-size.ts';
export * from './reports.ts';
export { validate } from './validation.ts';
