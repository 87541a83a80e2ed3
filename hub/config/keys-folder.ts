import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment, ProblemTexts } from '@fso/shared/runtime';

/** Settings that name key files, with the file names used in a Secret. */
export const KEY_FILES = {
  FSO_AGENT_CA_CERT_FILE: 'ca.crt',
  FSO_AGENT_CA_KEY_FILE: 'ca.key',
  FSO_AUDIT_KEY_FILE: 'audit-key.pem',
} as const;

/**
 * Adds the files in the keys folder to the environment, unless a setting names the file. An empty
 * folder is accepted: a chart mounts a Secret that need not exist.
 */
export const withKeysFolder = (env: Environment, problems: ProblemTexts): Environment => {
  const { FSO_KEYS_DIR: folder } = env;
  if (!folder) return env;
  const found = Object.entries(KEY_FILES).filter(([, file]) => existsSync(join(folder, file)));
  if (found.length === 0) return env;
  const missing = Object.values(KEY_FILES).filter((file) => found.every(([, name]) => name !== file));
  if (missing.length > 0) problems.push(`FSO_KEYS_DIR: ${folder} has no ${missing.join(', ')}, but others of the keys`);
  return { ...env, ...Object.fromEntries(found.map(([setting, file]) => [setting, env[setting] || join(folder, file)])) };
};
