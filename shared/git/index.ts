export * from './objects.ts';
export * from './walk.ts';
