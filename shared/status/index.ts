export * from './baseline.ts';
export * from './expected.ts';
export * from './listed-policy.ts';
