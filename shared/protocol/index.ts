export * from './checkpoint.ts';
export * from './codec.ts';
export * from './enrolment.ts';
export * from './frames.ts';
export * from './git-objects.ts';
export * from './git-signers.ts';
export * from './git-walk.ts';
export * from './report-digest.ts';
