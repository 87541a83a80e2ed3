export * from './policy-documents.ts';
export * from './source.ts';
export * from './types.ts';
