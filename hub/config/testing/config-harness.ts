import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from '@fso/shared/runtime';
import { afterAll } from 'vitest';
import { type HubConfig, loadHubConfig } from '../config.ts';

/** Environment variables to set; undefined removes one. */
export type Change = Record<string, string | undefined>;

/**
 * Creates a folder with the files that a configuration must name, for all tests of a file; it is
 * removed after them.
 */
export const openConfigBench = () => {
  const folder = mkdtempSync(join(tmpdir(), 'fso-config-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const tokens = join(folder, 'tokens.yaml');
  writeFileSync(tokens, 'eu: eu-token-0123456789\n');
  /** The least that a hub needs. */
  const base = (change: Change = {}): Change => ({
    FSO_GIT_URL: 'https://git.example.com/policies.git',
    FSO_AGENT_TOKENS_FILE: tokens,
    ...change,
  });
  const load = (change: Change = {}): Promise<HubConfig> => loadHubConfig(base(change));
  const problemsOf = async (env: Change): Promise<readonly string[]> => {
    const error: unknown = await loadHubConfig(env).catch((reason: unknown) => reason);
    return error instanceof ConfigError ? error.problems : [];
  };
  return { folder, base, load, problemsOf };
};
