import { type Problems, readText } from '@fso/shared/runtime';
import { parseTokens } from './delivery/index.ts';

/** @returns tokens by cluster; none where there is a problem */
export const readTokens = async (variable: string, path: string, problems: Problems): Promise<ReadonlyMap<string, string>> => {
  const text = await readText(variable, path, problems);
  if (text === undefined) return new Map();
  try {
    return parseTokens(text);
  } catch (error) {
    problems.push(`${variable}: ${error instanceof Error ? error.message : String(error)}`);
    return new Map();
  }
};

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export const readTls = async (files: { cert?: string; key?: string }, problems: Problems): Promise<TlsFiles | undefined> => {
  if (files.cert === undefined && files.key === undefined) return undefined;
  if (files.cert === undefined || files.key === undefined) {
    problems.push('FSO_AGENT_TLS_CERT_FILE, FSO_AGENT_TLS_KEY_FILE: both or none must be set');
    return undefined;
  }
  const cert = await readText('FSO_AGENT_TLS_CERT_FILE', files.cert, problems);
  const key = await readText('FSO_AGENT_TLS_KEY_FILE', files.key, problems);
  return cert === undefined || key === undefined ? undefined : { cert, key };
};
