import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileCluster } from '@fso/shared/compile';
import type { Offer } from '@fso/shared/protocol';
import pino from 'pino';
import { type GitRepository, openGitRepository } from '../../clusters/demo/git-repository.ts';
import { type GitServer, type GitServerOptions, startGitServer } from '../../clusters/demo/git-server.ts';
import type { HubConfig } from '../../hub/config/config.ts';
import { type HubDeps, type RunningHub, startHub } from '../../hub/hub.ts';
import { connectStream, type StreamClient } from './stream-client.ts';
import { eventually } from './waiting.ts';

export const TOKENS: ReadonlyMap<string, string> = new Map([
  ['eu', 'token-of-eu-0123456789'],
  ['us', 'token-of-us-0123456789'],
  ['stray', 'token-of-stray-0123456789'],
]);

/** Real Git server, a working copy that pushes to it, and hubs that follow it. */
export interface HubHarness {
  readonly git: GitServer;
  readonly repository: GitRepository;
  readonly folder: string;
  startHub(change?: { config?: Partial<HubConfig>; gitConfig?: Partial<HubConfig['git']>; deps?: Partial<HubDeps> }): Promise<RunningHub>;
  /** Connects as a cluster and says hello. */
  agent(hub: RunningHub, cluster: string, hello?: Parameters<StreamClient['hello']>[0]): Promise<StreamClient>;
  close(): Promise<void>;
}

export const openHubHarness = async (gitOptions: Partial<GitServerOptions> = {}): Promise<HubHarness> => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-hub-'));
  const git = await startGitServer({ root: join(folder, 'repositories'), ...gitOptions });
  await git.create('policies.git');
  const { credentials } = gitOptions;
  const pushUrl = new URL(git.url('policies.git'));
  if (credentials !== undefined) {
    pushUrl.username = credentials.username;
    pushUrl.password = credentials.password;
  }
  const repository = await openGitRepository(join(folder, 'work'), pushUrl.href);
  const hubs: RunningHub[] = [];
  const streams: StreamClient[] = [];

  return {
    git,
    repository,
    folder,
    startHub: async ({ config, gitConfig, deps } = {}) => {
      const dataDir = config?.dataDir ?? join(folder, 'hub');
      const database = config?.database ?? { folder: join(dataDir, 'ledger') };
      const hub = await startHub(
        {
          git: { url: git.url('policies.git'), ref: 'main', pollMs: 60_000, credentials, trust: { mode: 'off' }, ...gitConfig },
          listen: { host: '127.0.0.1', port: 0 },
          agentListen: { host: '127.0.0.1', port: 0 },
          agentTls: undefined,
          agentTokens: TOKENS,
          apiToken: undefined,
          webhookSecret: undefined,
          history: { days: 400, events: 1_000_000 },
          auditKeyFile: join(dataDir, 'audit-key.pem'),
          logLevel: 'silent',
          ...config,
          dataDir,
          database,
        },
        { logger: pino({ level: process.env['FSO_TEST_LOG'] ?? 'silent' }), version: 'test', random: Math.random, ...deps },
        new AbortController().signal,
      );
      hubs.push(hub);
      return hub;
    },
    agent: async (hub, cluster, hello) => {
      const stream = await connectStream(hub.agentUrl, TOKENS.get(cluster) ?? '', cluster);
      streams.push(stream);
      stream.hello(hello);
      return stream;
    },
    close: async () => {
      for (const stream of streams) stream.close();
      await Promise.all(hubs.map((hub) => hub.stop()));
      await git.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** Waits until the hub has accepted a commit. */
export const accepted = (hub: RunningHub, revision: string) =>
  eventually(() => {
    const state = hub.source.state();
    return state.revision?.revision === revision && state;
  });

/** Accepts the next offer like an agent, and waits until the hub has its ack. */
export const takeOffer = async (stream: StreamClient, hub: RunningHub, cluster: string): Promise<Offer> => {
  const offer = await stream.next('offer');
  const desired = await eventually(async () => {
    const now = await hub.ledger.desired();
    return now?.revision === offer.revision && now;
  });
  stream.send({ type: 'ack', revision: offer.revision, digest: compileCluster(desired.set, cluster).digest });
  await eventually(async () => (await hub.ledger.cluster(cluster))?.acked?.revision === offer.revision);
  return offer;
};
