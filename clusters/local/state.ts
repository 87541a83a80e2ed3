import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CommandError } from '../toolchain/command-error.ts';

/** Programs of a cluster, in the order in which they start. */
export const COMPONENTS = ['etcd', 'apiserver', 'controller-manager', 'scheduler', 'kwok', 'gatekeeper'] as const;
/** Process of a cluster. */
export type Component = (typeof COMPONENTS)[number];

const port = z.int().min(1).max(65_535);

const common = { version: z.literal(1), name: z.string(), regions: z.array(z.string()) };
const LocalState = z.object({
  ...common,
  provider: z.literal('local'),
  kubernetesVersion: z.string().optional(),
  gatekeeper: z.boolean(),
  gatekeeperAuditSeconds: z.int(),
  apiServerArgs: z.array(z.string()).optional(),
  ports: z.object({ etcd: port, etcdPeer: port, apiServer: port, webhook: port, gatekeeperHealth: port, gatekeeperMetrics: port }),
  processes: z.partialRecord(z.enum(COMPONENTS), z.object({ pid: z.int(), startTime: z.string() })),
});
const KindState = z.object({ ...common, provider: z.literal('kind'), gatekeeper: z.boolean() });
const AnyState = z.discriminatedUnion('provider', [LocalState, KindState]);
/**
 * State of a local cluster on disk: its programs and their processes. It suffices to end the
 * cluster, or to start its missing programs.
 */
export type ClusterState = z.infer<typeof LocalState>;
/** Stored state of a cluster of this or an older version. It suffices to end the cluster. */
export type AnyClusterState = z.infer<typeof AnyState>;

/** Files and folders of one cluster. */
export interface ClusterPaths {
  readonly dir: string;
  readonly kubeconfig: string;
  readonly logs: string;
  readonly pki: string;
  readonly data: string;
  readonly state: string;
  readonly users: string;
}

export function clusterPaths(stateDir: string, name: string): ClusterPaths {
  const dir = join(stateDir, 'clusters', name);
  return {
    dir,
    kubeconfig: join(dir, 'kubeconfig'),
    logs: join(dir, 'logs'),
    pki: join(dir, 'pki'),
    data: join(dir, 'data'),
    state: join(dir, 'state.json'),
    users: join(dir, 'users'),
  };
}

/** Creates the cluster's folders. Those with keys are readable by their owner only. */
export function makeFolders(paths: ClusterPaths): void {
  try {
    mkdirSync(paths.dir, { recursive: true });
    // Without its cache folder, Gatekeeper's audit fails and only logs it.
    const audit = join(paths.data, 'gatekeeper-audit');
    for (const dir of [paths.pki, paths.data, paths.users, audit]) mkdirSync(dir, { recursive: true, mode: 0o700 });
    mkdirSync(paths.logs, { recursive: true });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new CommandError(
      `cannot create the cluster's folder ${paths.dir} (${code ?? message}); make it writable, or name another with --state-dir`,
    );
  }
}

/** Reads the stored state of a cluster of any provider. @returns undefined if there is none */
export function readAnyState(paths: ClusterPaths): AnyClusterState | undefined {
  let text: string;
  try {
    text = readFileSync(paths.state, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return AnyState.parse(JSON.parse(text));
  } catch {
    throw new CommandError(`${paths.state} is not a state that this version wrote; run: npm run fleet -- down`);
  }
}

/** Reads the state of a local cluster. */
export function readState(paths: ClusterPaths): ClusterState | undefined {
  const state = readAnyState(paths);
  if (state?.provider === 'kind') {
    throw new CommandError(`cluster ${state.name} was started by kind; use --provider kind, or end it first: npm run fleet -- down`);
  }
  return state;
}

/** Writes the state of a cluster atomically. */
export function writeState(paths: ClusterPaths, state: AnyClusterState): void {
  const temporary = `${paths.state}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(temporary, paths.state);
}
