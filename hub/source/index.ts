export * from './source.ts';
export * from './types.ts';
