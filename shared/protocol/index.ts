export * from './checkpoint.ts';
export * from './codec.ts';
export * from './enrolment.ts';
export * from './entries.ts';
export * from './frames.ts';
export * from './going-away.ts';
export * from './report-digest.ts';
