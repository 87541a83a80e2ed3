/** Reason why a signature is not accepted; stable, for programs. */
export type SignatureProblem =
  | 'unsigned'
  | 'signature-malformed'
  | 'signature-unsupported'
  | 'signature-invalid'
  | 'signer-unknown'
  | 'signer-not-valid'
  | 'commit-in-future';

/** Error for a signature that is not accepted. The message is for people. */
export class SignatureError extends Error {
  override readonly name = 'SignatureError';
  readonly code: SignatureProblem;

  constructor(code: SignatureProblem, message: string) {
    super(message);
    this.code = code;
  }
}

/** Creates the error for a signature or key that cannot be parsed. */
export const malformed = (message: string): SignatureError => new SignatureError('signature-malformed', message);
/** Creates the error for a signature or key of a kind that is not accepted. */
export const unsupported = (message: string): SignatureError => new SignatureError('signature-unsupported', message);

/**
 * Error for a file of signers that cannot be used. The message is for people and names the line if
 * there is one.
 */
export class SignersError extends Error {
  override readonly name = 'SignersError';
}
