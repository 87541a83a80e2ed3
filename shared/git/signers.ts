import type { SignerFiles } from '../signatures/index.ts';

/** Folder at the root of the policy repository that says who may sign its commits. */
export const SIGNERS_FOLDER = 'signers';

/** Its files; others in the folder are not read. */
export const SIGNERS_FILES: Readonly<Record<string, keyof SignerFiles>> = {
  allowed_signers: 'allowedSigners',
  'keyring.asc': 'keyring',
};
