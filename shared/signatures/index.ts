export { SignatureError, type SignatureProblem, SignersError } from './errors.ts';
export { MAX_SIGNERS_BYTES, parseSigners, type SignerFiles, type Signers } from './signers.ts';
export { type CommitSigner, verifyCommit } from './verify-commit.ts';
