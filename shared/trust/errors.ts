import type { SignatureProblem } from '../signatures/index.ts';

/** Reason why a revision is not trusted; stable, for programs. */
export type TrustProblem =
  | SignatureProblem
  | 'chain-incomplete'
  | 'not-a-descendant'
  | 'proof-too-large'
  | 'signers-removed'
  | 'signers-invalid';

/** A commit id as messages show it: its first 12 digits. */
export const shortCommit = (id: string): string => id.slice(0, 12);

/** A revision that is not trusted. The message is for people. */
export class TrustError extends Error {
  override readonly name = 'TrustError';
  readonly code: TrustProblem;
  /** Whether an object was missing: with it the result may be another. */
  readonly missing: boolean;

  constructor(code: TrustProblem, message: string, missing = false) {
    super(message);
    this.code = code;
    this.missing = missing;
  }
}

/** The refusal of a commit whose signers cannot be used. */
export const invalidSigners = (commit: string, why: string): TrustError =>
  new TrustError('signers-invalid', `the signers of commit ${shortCommit(commit)} cannot be used: ${why}`);
