import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createHubClient, type HubClient } from '@fso/hub/client';
import { openGitRepository } from '../../clusters/demo/git-repository.ts';
import { startGitServer } from '../../clusters/demo/git-server.ts';
import { type Program, startProgram } from '../../clusters/demo/programs.ts';
import { claimPorts } from '../../clusters/local/ports.ts';

const PROGRAM = join(import.meta.dirname, '..', '..', 'hub', 'cli', 'main.ts');

/** A Git server with one commit, and a hub process that follows it. */
export interface Federation {
  readonly hub: HubClient;
  /** Settings of an agent for the hub. */
  readonly agentEnvironment: Readonly<Record<string, string>>;
  startHub(): void;
  stopHub(signal?: NodeJS.Signals): Promise<void>;
  close(): Promise<void>;
}

const secret = (): string => randomBytes(24).toString('base64url');

export const openFederation = async (folder: string, cluster: string, files: Readonly<Record<string, string>>): Promise<Federation> => {
  const git = await startGitServer({ root: join(folder, 'git') });
  await git.create('policies.git');
  const url = git.url('policies.git');
  const repository = await openGitRepository(join(folder, 'working-copy'), url);
  await repository.commit(files, 'Govern');
  // No outgoing connection takes one of these while the hub is down.
  const claim = await claimPorts();
  const { apiServer: apiPort, etcd: agentPort } = claim.ports;
  const [apiToken, agentToken] = [secret(), secret()];
  const tokens = join(folder, 'agent-tokens.json');
  await writeFile(tokens, JSON.stringify({ [cluster]: agentToken }), { mode: 0o600 });
  const env = {
    FSO_GIT_URL: url,
    FSO_LISTEN: `127.0.0.1:${apiPort}`,
    FSO_AGENT_LISTEN: `127.0.0.1:${agentPort}`,
    FSO_AGENT_TLS: 'off',
    FSO_AGENT_TOKENS_FILE: tokens,
    FSO_API_TOKEN: apiToken,
    FSO_DATA_DIR: join(folder, 'hub'),
  };
  let program: Program | undefined;
  return {
    hub: createHubClient({ server: `http://127.0.0.1:${apiPort}`, token: apiToken }),
    agentEnvironment: { FSO_HUB_URL: `ws://127.0.0.1:${agentPort}/agent/v1/stream`, FSO_HUB_TOKEN: agentToken },
    startHub: () => {
      program = startProgram({ name: 'hub', command: [PROGRAM, 'serve'], env, logFile: join(folder, 'hub.log') });
    },
    stopHub: async (signal) => program?.stop(signal),
    close: async () => {
      await program?.stop();
      await git.stop();
      await claim.release();
    },
  };
};
