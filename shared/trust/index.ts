export * from './approval.ts';
export { TrustError, type TrustProblem } from './errors.ts';
export { checkStillTrusted, type Proposal, signerOf, signersIn } from './judge.ts';
export * from './trust-config.ts';
export * from './verification.ts';
