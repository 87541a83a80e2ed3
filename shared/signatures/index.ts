export { aliasesOf, keysOf, type Signer } from './check-signed.ts';
export { SignatureError, type SignatureProblem, SignersError } from './errors.ts';
export { SKEW_MS } from './openpgp/check.ts';
export { MAX_SIGNERS_BYTES, parseSigners, type SignerFiles, type Signers } from './signers.ts';
export { verifyCommit } from './verify-commit.ts';
export { parseTag, type SignedTag, verifyTag } from './verify-tag.ts';
