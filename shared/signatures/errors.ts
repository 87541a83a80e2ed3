/** Reason why a signature does not count; stable, for programs. */
export type SignatureProblem =
  | 'unsigned'
  | 'signature-malformed'
  | 'signature-unsupported'
  | 'signature-invalid'
  | 'signer-unknown'
  | 'signer-not-valid'
  | 'commit-in-future';

/** A signature that does not count. The message is for people. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError';
  readonly code: SignatureProblem;

  constructor(code: SignatureProblem, message: string) {
    super(message);
    this.code = code;
  }
}

/** Makes the error of a signature or key that cannot be parsed. */
export const malformed = (message: string): SignatureError => new SignatureError('signature-malformed', message);
/** Makes the error of a signature or key of a kind that is not accepted. */
export const unsupported = (message: string): SignatureError => new SignatureError('signature-unsupported', message);

/**
 * A file of signers that cannot be used as it stands. The message is for people and names the line
 * where there is one.
 */
export class SignersError extends Error {
  override readonly name = 'SignersError';
}
