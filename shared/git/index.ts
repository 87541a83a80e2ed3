export * from './objects.ts';
export * from './signers.ts';
export * from './walk.ts';
