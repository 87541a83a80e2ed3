export { createPolicyDocuments, type PolicyDocuments, type PolicyPlace } from './policy-documents.ts';
export { openSource } from './source.ts';
export type * from './types.ts';
