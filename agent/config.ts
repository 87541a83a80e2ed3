import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ResourceName } from '@fso/shared/api';
import { z } from 'zod';

const Flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const Millis = z.coerce.number().int().min(1).max(3_600_000);
const Listen = z
  .string()
  .regex(/^(\[[0-9a-f:]+\]|[^:\s]*):\d{1,5}$/i, 'must be host:port, e.g. 127.0.0.1:8081 or :8081')
  .transform((value) => {
    const colon = value.lastIndexOf(':');
    return { host: value.slice(0, colon).replace(/^\[|\]$/g, '') || '0.0.0.0', port: Number(value.slice(colon + 1)) };
  });

/** The environment of `fso-agent`, as the program reads it. */
export const AgentEnvironment = z
  .object({
    FSO_CLUSTER: ResourceName.describe('Name of this cluster, as its ManagedCluster in Git has it.'),
    KUBECONFIG: z.string().min(1).optional().describe('Path of a kubeconfig; absent: the service account of the pod.'),
    FSO_HUB_URL: z
      .url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// URL' })
      .optional()
      .describe('WebSocket URL of the hub; absent: the agent works alone.'),
    FSO_HUB_TOKEN: z.string().min(1).optional().describe('Token of this cluster at the hub.'),
    FSO_HUB_TOKEN_FILE: z.string().min(1).optional().describe('File with the token, instead of FSO_HUB_TOKEN.'),
    FSO_HUB_CA_FILE: z.string().min(1).optional().describe('PEM file with the CA of the hub.'),
    FSO_LISTEN: Listen.default({ host: '127.0.0.1', port: 8081 }).describe('Address of /healthz, /readyz and /metrics (127.0.0.1:8081).'),
    FSO_IDENTITY: z.string().min(1).max(253).optional().describe('Name in the leader election (host name and process id).'),
    FSO_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info').describe('trace … silent (info).'),
    FSO_LEADER_ELECTION: Flag.default(true).describe('Whether replicas elect a leader by Lease (true).'),
    FSO_LEASE_DURATION_MS: Millis.default(15_000).describe('How long a leader that vanished keeps its lease (15000).'),
    FSO_RETRY_FIRST_MS: Millis.default(5_000).describe('Wait after the first failure of a write (5000).'),
    FSO_RETRY_SECOND_MS: Millis.default(30_000).describe('Wait after the second one (30000); from the third on it is an alert.'),
    FSO_GATEKEEPER_GRACE_MS: Millis.default(15_000).describe('How long lock 2 may stay unproven before it counts as degraded (15000).'),
  })
  .superRefine((env, context) => {
    if (env.FSO_HUB_URL !== undefined && env.FSO_HUB_TOKEN === undefined && env.FSO_HUB_TOKEN_FILE === undefined) {
      context.addIssue({ code: 'custom', path: ['FSO_HUB_TOKEN'], message: 'FSO_HUB_URL needs FSO_HUB_TOKEN or FSO_HUB_TOKEN_FILE' });
    }
  });

export interface HubConfig {
  readonly url: string;
  readonly token: string;
  /** PEM. */
  readonly ca: string | undefined;
}

export interface AgentConfig {
  readonly cluster: string;
  readonly kubeconfig: string | undefined;
  readonly hub: HubConfig | undefined;
  readonly listen: { readonly host: string; readonly port: number };
  readonly identity: string;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly leaderElection: boolean;
  readonly leaseDurationMs: number;
  /** Waits after the first and the second failure of a write. */
  readonly retryMs: readonly [number, number];
  readonly gatekeeperGraceMs: number;
}

const readHub = (env: z.output<typeof AgentEnvironment>): HubConfig | undefined => {
  if (env.FSO_HUB_URL === undefined) return undefined;
  const token = env.FSO_HUB_TOKEN ?? readFileSync(env.FSO_HUB_TOKEN_FILE ?? '', 'utf8').trim();
  return { url: env.FSO_HUB_URL, token, ca: env.FSO_HUB_CA_FILE === undefined ? undefined : readFileSync(env.FSO_HUB_CA_FILE, 'utf8') };
};

/** @throws Error when a file that the environment names cannot be read. */
export const toAgentConfig = (env: z.output<typeof AgentEnvironment>): AgentConfig => ({
  cluster: env.FSO_CLUSTER,
  kubeconfig: env.KUBECONFIG,
  hub: readHub(env),
  listen: env.FSO_LISTEN,
  identity: env.FSO_IDENTITY ?? `${hostname()}_${process.pid}`,
  logLevel: env.FSO_LOG_LEVEL,
  leaderElection: env.FSO_LEADER_ELECTION,
  leaseDurationMs: env.FSO_LEASE_DURATION_MS,
  retryMs: [env.FSO_RETRY_FIRST_MS, env.FSO_RETRY_SECOND_MS],
  gatekeeperGraceMs: env.FSO_GATEKEEPER_GRACE_MS,
});

/** The `--help` text: every variable with what it means. */
export const describeEnvironment = (): string =>
  Object.entries(AgentEnvironment.shape)
    .map(([name, schema]) => `  ${name.padEnd(26)}${schema.description ?? ''}`)
    .join('\n');
