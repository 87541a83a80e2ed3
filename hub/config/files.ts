import { messageOf, type ProblemTexts, readText } from '@fso/shared/runtime';
import { createAuthority, parseTokens } from '../identity/index.ts';

/**
 * Reads the file of the agents' static tokens.
 *
 * @returns tokens by cluster; empty if there are problems
 */
export const readTokens = async (variable: string, path: string, problems: ProblemTexts): Promise<ReadonlyMap<string, string>> => {
  const text = await readText(variable, path, problems);
  if (text === undefined) return new Map();
  try {
    return parseTokens(text);
  } catch (error) {
    problems.push(`${variable}: ${messageOf(error)}`);
    return new Map();
  }
};

/** Certificate and key in PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key from the files named by `<prefix>_CERT_FILE` and
 * `<prefix>_KEY_FILE`. Both or none must be set.
 */
export const readPair = async (
  prefix: string,
  files: { readonly cert: string | undefined; readonly key: string | undefined },
  problems: ProblemTexts,
): Promise<TlsFiles | undefined> => {
  const names = { cert: `${prefix}_CERT_FILE`, key: `${prefix}_KEY_FILE` };
  if (files.cert === undefined && files.key === undefined) return undefined;
  if (files.cert === undefined || files.key === undefined) {
    problems.push(`${names.cert}, ${names.key}: both or none must be set`);
    return undefined;
  }
  const cert = await readText(names.cert, files.cert, problems);
  const key = await readText(names.key, files.key, problems);
  return cert === undefined || key === undefined ? undefined : { cert, key };
};

/** Reads the CA of agents like {@link readPair}, and checks that it can issue certificates. */
export const readCa = async (
  files: { readonly cert: string | undefined; readonly key: string | undefined },
  problems: ProblemTexts,
): Promise<TlsFiles | undefined> => {
  const pair = await readPair('FSO_AGENT_CA', files, problems);
  try {
    if (pair !== undefined) createAuthority(pair);
  } catch (error) {
    problems.push(`FSO_AGENT_CA_CERT_FILE, FSO_AGENT_CA_KEY_FILE: ${messageOf(error)}`);
  }
  return pair;
};
