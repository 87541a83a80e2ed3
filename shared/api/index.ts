export * from './clusters.ts';
export * from './common.ts';
export * from './kubernetes.ts';
export * from './names.ts';
export * from './reports.ts';
export * from './sovereign-policy.ts';
export * from './stream.ts';
export * from './views.ts';
