export { BranchError, Branches, type BranchFiles, type ListedBranches } from './branches.ts';
export { createPolicyDocuments, type PolicyDocuments, type PolicyPlace } from './policy-documents.ts';
export { openSource, type Source } from './source.ts';
export type * from './types.ts';
