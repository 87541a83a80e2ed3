import { parseSigners, SignatureError, type SignerFiles, SignersError, verifyCommit } from '@fso/shared/signatures';

/** `ok`, the code of a refusal, or `signers` if the signers' files themselves are refused. */
export const ourVerdict = (raw: Buffer, files: SignerFiles, now = new Date()): string => {
  try {
    verifyCommit(raw, parseSigners(files), now);
    return 'ok';
  } catch (error) {
    if (error instanceof SignersError) return 'signers';
    if (error instanceof SignatureError) return error.code;
    throw error;
  }
};
