import type { SignatureProblem } from '../signatures/index.ts';

/** Reason why a revision is not trusted; stable, for programs. */
export type TrustProblem =
  | SignatureProblem
  | 'chain-incomplete'
  | 'not-a-descendant'
  | 'proof-too-large'
  | 'signers-removed'
  | 'signers-invalid';

/** Short form of a commit id for messages: its first 12 digits. */
export const shortCommit = (id: string): string => id.slice(0, 12);

/** Error of a revision that is not trusted. The message is for people. */
export class TrustError extends Error {
  override readonly name = 'TrustError';
  readonly code: TrustProblem;
  /** Whether an object was missing, so that the result may change once it is there. */
  readonly missing: boolean;

  constructor(code: TrustProblem, message: string, missing = false) {
    super(message);
    this.code = code;
    this.missing = missing;
  }
}

/** Makes the error of a commit whose signers cannot be used. */
export const invalidSigners = (commit: string, why: string): TrustError =>
  new TrustError('signers-invalid', `the signers of commit ${shortCommit(commit)} cannot be used: ${why}`);
