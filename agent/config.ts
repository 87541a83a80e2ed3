import { hostname } from 'node:os';
import { NamespaceName, ResourceName } from '@fso/shared/api';
import { parseToken } from '@fso/shared/protocol';
import {
  Address,
  ConfigError,
  type Environment,
  isLoopback,
  type ListenAddress,
  listSettings,
  PROXY_SECRETS,
  PROXY_VARIABLES,
  type ProblemTexts,
  type ProxyConfig,
  parseConfig,
  readProxy,
  readText,
  type Secret,
  type SecretFile,
  Secrets,
} from '@fso/shared/runtime';
import { readTelemetry, TELEMETRY_SECRETS, TELEMETRY_VARIABLES, type TelemetryConfig, withoutUnusedTelemetry } from '@fso/shared/telemetry';
import { readTrust, type TrustConfig, VERIFY_MODES } from '@fso/shared/trust';
import { z } from 'zod';
import type { ObservationLimits } from './observation/index.ts';

const Flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const Millis = z.coerce.number().int().min(1).max(3_600_000);

/** Comma-separated names. */
const Names = z
  .string()
  .max(4096)
  .transform((text) =>
    text
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  )
  .pipe(
    z.array(
      z
        .string()
        .regex(/^\P{Cc}+$/u, 'must be user names, separated by commas')
        .max(253),
    ),
  );

/** Characters of an authorization header that the hub accepts. */
const Token = z.string().regex(/^[\x21-\x7e]{1,512}$/, 'must be 1 to 512 characters of ASCII without spaces');

const EnrolToken = z
  .string()
  .refine((text) => parseToken(text) !== undefined, 'must be a token as "fso clusters token" prints it: fso1.<cluster>.…');

const HubUrl = z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// URL' }).refine((text) => {
  const url = URL.parse(text);
  return url?.protocol !== 'ws:' || isLoopback(url.hostname);
}, 'would send the token in the clear to another machine: use wss://');

/**
 * User name of the default scheduler
 * (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#core-component-roles).
 */
const DEFAULT_BINDERS: readonly string[] = ['system:kube-scheduler'];

/** Controllers of the cloud provider, which set the regions of nodes. */
const DEFAULT_NODE_LABELERS: readonly string[] = [
  'system:cloud-controller-manager',
  'system:serviceaccount:kube-system:cloud-controller-manager',
  'system:serviceaccount:kube-system:cloud-node-controller',
];

const File = z.string().min(1).optional();

/**
 * Environment of `fso-agent`. Its `--help` and docs/reference/agent-settings.md are generated from
 * it.
 */
const AgentEnvironment = z
  .object({
    FSO_CLUSTER: ResourceName.meta({ description: 'Name of this cluster, as in its ManagedCluster.' }),
    KUBECONFIG: File.meta({
      description: 'Path of one kubeconfig: https with a verified certificate, plain HTTP only to this machine.',
      fallback: 'the service account of the pod',
    }),
    FSO_HUB_URL: HubUrl.optional().meta({
      description: "URL of the hub's agent listener: wss://, or ws:// on this machine. /agent/v1/stream is added if it has no path.",
      fallback: 'none, the agent works alone',
    }),
    FSO_ENROLL_TOKEN: EnrolToken.optional().meta({
      description: 'One-time token to enrol with, from "fso clusters token". Needed until the agent has its identity.',
    }),
    FSO_ENROLL_TOKEN_FILE: File.meta({
      description:
        'File with the one-time token, instead of FSO_ENROLL_TOKEN. It may come later, change and go: the agent reads it again whenever it needs a certificate.',
    }),
    FSO_HUB_TOKEN: Token.optional().meta({ description: 'Static token of this cluster, instead of enrolment.' }),
    FSO_HUB_TOKEN_FILE: File.meta({ description: 'File with the static token, instead of FSO_HUB_TOKEN.' }),
    FSO_HUB_CA_FILE: File.meta({
      description: "File with the CA that signed the hub's certificate (PEM).",
      fallback: "the CA that the enrolment token names, with a static token the system's CAs",
    }),
    ...PROXY_VARIABLES,
    FSO_SIGNERS_FILE: File.meta({ description: 'File with the SSH keys that may sign commits (OpenSSH allowed signers).' }),
    FSO_SIGNERS_KEYRING: File.meta({ description: 'File with the OpenPGP keys that may sign commits (ASCII-armoured public keys).' }),
    FSO_VERIFY: z.enum(VERIFY_MODES).optional().meta({
      description: 'Treatment of a commit that is not trusted: strict refuses it, warn accepts it with a warning, off does not check.',
      fallback: 'strict with signers, else off',
    }),
    FSO_LISTEN: Address.prefault('127.0.0.1:8081').meta({
      description: 'Address of /healthz, /readyz and /metrics, without access control. Use :8081 in a pod.',
    }),
    FSO_IDENTITY: z.string().min(1).max(253).optional().meta({
      description: 'Name in the leader election, unique among replicas.',
      fallback: 'host name and process id',
    }),
    FSO_TRUSTED_BINDERS: Names.prefault(DEFAULT_BINDERS.join(',')).meta({
      description:
        'User names (no groups), separated by commas, that may bind pods to nodes in governed namespaces. The agent itself never may.',
    }),
    FSO_TRUSTED_NODE_LABELERS: Names.prefault(DEFAULT_NODE_LABELERS.join(',')).meta({
      description:
        'User names, or group:<name>, separated by commas, that may set the region, zone and providerID of a node. A kubelet may for its own node when it registers.',
      fallback: 'the cloud controllers',
    }),
    FSO_GATEKEEPER_NAMESPACE: NamespaceName.prefault('gatekeeper-system').meta({
      description: 'Namespace of Gatekeeper: its service accounts report on lock 2, and no policy governs it.',
    }),
    FSO_BIND_GATE: z.enum(['auto', 'list']).default('auto').meta({
      description:
        'Source of the region of a node at bind: auto, by the version of the API server; list, only from the list of nodes, if the API server does not put regions on Bindings.',
    }),
    FSO_OPENREPORTS: Flag.default(false).meta({
      description:
        'Whether the agent writes a Report of openreports.io into each governed namespace, for tools that read it. Needs the rights of deploy/agent/openreports.yaml.',
    }),
    FSO_OWNER_EVENTS: Flag.default(false).meta({
      description:
        'Whether the agent writes a Kubernetes Event on each owner whose next pods would be refused or stay pending, once a dry run has shown it.',
    }),
    FSO_PREVIEW: z.enum(['off', 'counts', 'names']).default('counts').meta({
      description:
        'Answer to a hub that asks what a change of policies would do to workloads: off, none; counts of owners; names of the first ones, too.',
    }),
    FSO_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info').meta({
      description: 'trace, debug, info, warn, error or silent.',
    }),
    FSO_LEADER_ELECTION: Flag.default(true).meta({
      description: 'Whether replicas elect a leader by Lease. false only if exactly one replica can run.',
    }),
    FSO_LEASE_DURATION_MS: Millis.default(15_000).meta({ description: 'Time, in ms, after which a leader that vanished is replaced.' }),
    FSO_RETRY_FIRST_MS: Millis.default(5_000).meta({ description: 'Wait, in ms, after the first failure of a write.' }),
    FSO_RETRY_SECOND_MS: Millis.default(30_000).meta({
      description: 'Wait, in ms, after the second failure. From the third on it is an alert, and the wait grows to 5 min.',
    }),
    FSO_GATEKEEPER_GRACE_MS: Millis.default(15_000).meta({
      description: 'Time, in ms, that lock 2 may stay unproven before it counts as degraded.',
    }),
    ...TELEMETRY_VARIABLES,
  })
  .superRefine((env, context) => {
    const issue = (name: string, message: string): void => context.addIssue({ code: 'custom', path: [name], message });
    const hasToken = env.FSO_HUB_TOKEN !== undefined;
    if (env.FSO_HUB_URL?.startsWith('ws:') === true && !hasToken && env.FSO_HUB_TOKEN_FILE === undefined)
      issue('FSO_HUB_URL', 'without FSO_HUB_TOKEN the agent authenticates with a certificate, which needs wss://');
    if (hasToken && env.FSO_ENROLL_TOKEN !== undefined) issue('FSO_ENROLL_TOKEN', 'is unused with FSO_HUB_TOKEN: set one of them');
    if (env.FSO_ENROLL_TOKEN !== undefined && env.FSO_ENROLL_TOKEN_FILE !== undefined)
      issue('FSO_ENROLL_TOKEN', 'only one of FSO_ENROLL_TOKEN and FSO_ENROLL_TOKEN_FILE may be set');
    const cluster = parseToken(env.FSO_ENROLL_TOKEN ?? '')?.cluster;
    if (cluster !== undefined && cluster !== env.FSO_CLUSTER)
      issue('FSO_ENROLL_TOKEN', `is for the cluster ${cluster}, and FSO_CLUSTER is ${env.FSO_CLUSTER}`);
  });

/** Address of the hub, and how the agent proves itself there and verifies it. */
export interface HubConfig {
  readonly url: string;
  /** Static token; absent: the agent enrols. */
  readonly token: Secret | undefined;
  readonly enrolToken: string | undefined;
  /** File with the token as an alternative to `enrolToken`. It may appear later. */
  readonly enrolTokenFile?: string | undefined;
  /** PEM. */
  readonly ca: string | undefined;
  /** Proxy to the hub; undefined: direct connection. */
  readonly proxy?: ProxyConfig | undefined;
}

/** Settings of the agent, read from the environment once. */
export interface AgentConfig {
  readonly cluster: string;
  readonly kubeconfig: string | undefined;
  readonly hub: HubConfig | undefined;
  /** Signers whose commits the agent accepts. */
  readonly trust: TrustConfig;
  readonly listen: ListenAddress;
  readonly identity: string;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly leaderElection: boolean;
  readonly leaseDurationMs: number;
  /** Waits after the first and the second failure of a write, in ms. */
  readonly retryMs: readonly [number, number];
  readonly gatekeeperGraceMs: number;
  readonly trustedBinders: readonly string[];
  readonly trustedNodeLabelers: readonly string[];
  readonly gatekeeperNamespace: string;
  /**
   * `list`: the API server does not copy the region of the node to a Binding, whatever its version.
   */
  readonly bindGate?: 'auto' | 'list';
  /** Whether to write reports for tools that read openreports.io. */
  readonly openReports?: boolean;
  /** Whether owners at risk get Kubernetes Events. Default false. */
  readonly ownerEvents?: boolean;
  /** Form of answers to questions about a change of policies. Default `counts`. */
  readonly preview?: 'off' | 'counts' | 'names';
  /** Largest ages of observations. Default {@link OBSERVATION_LIMITS}. */
  readonly limits?: ObservationLimits;
  /** Time between two readings of the refusal counters, in ms. Default one minute. */
  readonly readDenialsEveryMs?: number;
  /** undefined: no traces. */
  readonly telemetry?: TelemetryConfig | undefined;
  /** Files with credentials that are watched for changes. */
  readonly secretFiles?: readonly SecretFile[];
}

const SECRETS = ['FSO_HUB_TOKEN', ...PROXY_SECRETS, ...TELEMETRY_SECRETS];

/**
 * Reads the agent's configuration from the environment and the files that it names.
 *
 * @throws ConfigError with every problem; no secret is quoted
 */
export const loadAgentConfig = async (environment: Environment): Promise<AgentConfig> => {
  const env = withoutUnusedTelemetry(environment);
  const problems: ProblemTexts = [];
  const secrets = await Secrets.read(env, AgentEnvironment, SECRETS, problems);
  const { FSO_HUB_CA_FILE: caFile } = env;
  const ca = caFile ? await readText('FSO_HUB_CA_FILE', caFile, problems) : undefined;
  const variables = parseConfig(AgentEnvironment, secrets.environment, problems);
  const trust = await readTrust(variables, problems);
  const telemetry = await readTelemetry(variables, secrets, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  const { FSO_HUB_URL: url, FSO_ENROLL_TOKEN: enrolToken, FSO_ENROLL_TOKEN_FILE: enrolTokenFile } = variables;
  return {
    cluster: variables.FSO_CLUSTER,
    kubeconfig: variables.KUBECONFIG,
    hub:
      url === undefined
        ? undefined
        : { url, token: secrets.get('FSO_HUB_TOKEN'), enrolToken, enrolTokenFile, ca, proxy: readProxy(variables, secrets) },
    trust,
    listen: variables.FSO_LISTEN,
    identity: variables.FSO_IDENTITY ?? `${hostname()}_${process.pid}`,
    logLevel: variables.FSO_LOG_LEVEL,
    leaderElection: variables.FSO_LEADER_ELECTION,
    leaseDurationMs: variables.FSO_LEASE_DURATION_MS,
    retryMs: [variables.FSO_RETRY_FIRST_MS, variables.FSO_RETRY_SECOND_MS],
    gatekeeperGraceMs: variables.FSO_GATEKEEPER_GRACE_MS,
    trustedBinders: variables.FSO_TRUSTED_BINDERS,
    trustedNodeLabelers: variables.FSO_TRUSTED_NODE_LABELERS,
    gatekeeperNamespace: variables.FSO_GATEKEEPER_NAMESPACE,
    bindGate: variables.FSO_BIND_GATE,
    openReports: variables.FSO_OPENREPORTS,
    ownerEvents: variables.FSO_OWNER_EVENTS,
    preview: variables.FSO_PREVIEW,
    telemetry,
    secretFiles: secrets.files,
  };
};

/** Every variable of `fso-agent`, for its `--help` and its documentation. */
export const AGENT_SETTINGS = listSettings(AgentEnvironment);

/**
 * Path of the kubeconfig, for commands that use the rights of their caller and need no other
 * setting.
 */
export const kubeconfigIn = ({ KUBECONFIG }: Environment): string | undefined => (KUBECONFIG === '' ? undefined : KUBECONFIG);
