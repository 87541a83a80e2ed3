import { type ProblemTexts, readText } from '../runtime/index.ts';
import { parseSigners, type Signers, SignersError } from '../signatures/index.ts';

/**
 * Treatments of commits that are not trusted. `strict`: an unverified commit is refused. `warn`: it
 * is accepted, and reported as unverified. `off`: nothing is checked.
 */
export const VERIFY_MODES = ['strict', 'warn', 'off'] as const;
/** Treatment of commits that are not trusted, as `FSO_VERIFY` names it. */
export type VerifyMode = (typeof VERIFY_MODES)[number];

/** Mode of verification, and the signers that a program trusts. */
export type TrustConfig = { readonly mode: 'off' } | { readonly mode: 'strict' | 'warn'; readonly signers: Signers };

/** Environment variables of {@link TrustConfig}. */
export interface TrustVariables {
  readonly FSO_SIGNERS_FILE?: string | undefined;
  readonly FSO_SIGNERS_KEYRING?: string | undefined;
  readonly FSO_VERIFY?: VerifyMode | undefined;
}

/** Reads a file; undefined if the variable names none, null if there is a problem with it. */
const readNamed = async (variable: string, path: string | undefined, problems: ProblemTexts): Promise<string | undefined | null> =>
  path === undefined ? undefined : ((await readText(variable, path, problems)) ?? null);

/** Reads the signers; undefined if no file is named, or there is a problem. */
const readSigners = async (variables: TrustVariables, problems: ProblemTexts): Promise<Signers | undefined> => {
  const { FSO_SIGNERS_FILE: file, FSO_SIGNERS_KEYRING: keyringFile } = variables;
  const allowedSigners = await readNamed('FSO_SIGNERS_FILE', file, problems);
  const keyring = await readNamed('FSO_SIGNERS_KEYRING', keyringFile, problems);
  if (allowedSigners === null || keyring === null || (file ?? keyringFile) === undefined) return undefined;
  try {
    return parseSigners({ allowedSigners, keyring });
  } catch (error) {
    if (!(error instanceof SignersError)) throw error;
    problems.push(`${file === undefined ? 'FSO_SIGNERS_KEYRING' : 'FSO_SIGNERS_FILE'}: ${error.message}`);
    return undefined;
  }
};

/**
 * Reads the trust configuration. Files are read in every mode, so that mistakes in them show before
 * they matter.
 */
export const readTrust = async (variables: TrustVariables, problems: ProblemTexts): Promise<TrustConfig> => {
  const { FSO_VERIFY: mode = 'strict' } = variables;
  const isNamed = (variables.FSO_SIGNERS_FILE ?? variables.FSO_SIGNERS_KEYRING) !== undefined;
  const signers = await readSigners(variables, problems);
  if (!isNamed && variables.FSO_VERIFY !== undefined && mode !== 'off')
    problems.push(`FSO_VERIFY: ${mode} needs FSO_SIGNERS_FILE or FSO_SIGNERS_KEYRING`);
  return signers === undefined || mode === 'off' ? { mode: 'off' } : { mode, signers };
};
