export * from './objects.ts';
export * from './tree-edits.ts';
export * from './walk.ts';
