import { join } from 'node:path';
import { programKubeconfig, webhookCertificates } from './pki/pki.ts';
import type { ClusterPaths, ClusterState, Component } from './state.ts';

/** Folder of each tool module's programs. */
export type ToolFolders = Readonly<Record<string, string>>;

/** Command that runs one component of a cluster. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Tools, files and ports for the commands of a cluster. */
export interface CommandContext {
  readonly tools: ToolFolders;
  readonly paths: ClusterPaths;
  readonly state: ClusterState;
}

/** Name under which the Gatekeeper process reports its status. */
export const GATEKEEPER_POD = 'gatekeeper-local';
export const GATEKEEPER_NAMESPACE = 'gatekeeper-system';

/** Returns the path of a file in the folder of a tool module. */
export const programFile = (context: Pick<CommandContext, 'tools'>, module: string, name: string): string =>
  join(context.tools[module] ?? '', name);
const local = (port: number, scheme = 'https'): string => `${scheme}://127.0.0.1:${port}`;

function etcd(context: CommandContext): CommandLine {
  const { paths, state } = context;
  const pki = (file: string): string => join(paths.pki, file);
  const peer = local(state.ports.etcdPeer);
  return {
    command: programFile(context, 'etcd', 'etcd'),
    args: [
      '--name=default',
      `--data-dir=${join(paths.data, 'etcd')}`,
      `--listen-client-urls=${local(state.ports.etcd)}`,
      `--advertise-client-urls=${local(state.ports.etcd)}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--client-cert-auth',
      `--trusted-ca-file=${pki('etcd-ca.crt')}`,
      `--cert-file=${pki('etcd.crt')}`,
      `--key-file=${pki('etcd.key')}`,
      '--peer-client-cert-auth',
      `--peer-trusted-ca-file=${pki('etcd-ca.crt')}`,
      `--peer-cert-file=${pki('etcd.crt')}`,
      `--peer-key-file=${pki('etcd.key')}`,
      // A power cut may lose the cluster, which `up` can create again. The end of a process loses
      // nothing.
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
  };
}

function apiServer(context: CommandContext): CommandLine {
  const { paths, state } = context;
  const pki = (file: string): string => join(paths.pki, file);
  return {
    command: programFile(context, 'kubernetes', 'kube-apiserver'),
    args: [
      `--etcd-servers=${local(state.ports.etcd)}`,
      `--etcd-cafile=${pki('etcd-ca.crt')}`,
      `--etcd-certfile=${pki('etcd-client.crt')}`,
      `--etcd-keyfile=${pki('etcd-client.key')}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${state.ports.apiServer}`,
      `--client-ca-file=${pki('ca.crt')}`,
      `--tls-cert-file=${pki('apiserver.crt')}`,
      `--tls-private-key-file=${pki('apiserver.key')}`,
      `--cert-dir=${paths.data}`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
      `--service-account-key-file=${pki('service-accounts.pub')}`,
      `--service-account-signing-key-file=${pki('service-accounts.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      // Pods could not reach the host's 127.0.0.1 through the `kubernetes` service.
      '--endpoint-reconciler-type=none',
      '--allow-privileged=true',
      '--profiling=false',
      ...(state.apiServerArgs ?? []),
    ],
  };
}

function controllerManager(context: CommandContext): CommandLine {
  const { paths } = context;
  const pki = (file: string): string => join(paths.pki, file);
  return {
    command: programFile(context, 'kubernetes', 'kube-controller-manager'),
    args: [
      `--kubeconfig=${programKubeconfig(paths, 'controller-manager')}`,
      // Each controller has its own user, as on a real cluster: policies distinguish them.
      '--use-service-account-credentials=true',
      `--service-account-private-key-file=${pki('service-accounts.key')}`,
      `--root-ca-file=${pki('ca.crt')}`,
      `--cluster-signing-cert-file=${pki('ca.crt')}`,
      `--cluster-signing-key-file=${pki('ca.key')}`,
      '--leader-elect=false',
      '--secure-port=0',
      // With the defaults (20 a second), a thousand namespaces wait for their ServiceAccounts.
      '--kube-api-qps=200',
      '--kube-api-burst=400',
      '--profiling=false',
    ],
  };
}

function scheduler(context: CommandContext): CommandLine {
  return {
    command: programFile(context, 'kubernetes', 'kube-scheduler'),
    args: [`--config=${join(context.paths.pki, 'scheduler.yaml')}`, '--secure-port=0'],
  };
}

const KWOK_STAGES = ['node-initialize', 'node-heartbeat-with-lease', 'pod-ready', 'pod-complete', 'pod-delete'];

function kwok(context: CommandContext): CommandLine {
  const stages = KWOK_STAGES.map((stage) => `--config=${programFile(context, 'kwok', `${stage}.yaml`)}`);
  return {
    command: programFile(context, 'kwok', 'kwok'),
    args: [
      `--kubeconfig=${programKubeconfig(context.paths, 'kwok')}`,
      '--manage-all-nodes=true',
      '--node-lease-duration-seconds=40',
      ...stages,
    ],
  };
}

function gatekeeper(context: CommandContext): CommandLine {
  const { paths, state } = context;
  return {
    command: programFile(context, 'gatekeeper', 'gatekeeper'),
    // No --operation: one process does the work of all deployments of a real cluster.
    args: [
      `--kubeconfig=${programKubeconfig(paths, 'gatekeeper')}`,
      '--disable-cert-rotation',
      `--cert-dir=${webhookCertificates(paths)}`,
      '--host=127.0.0.1',
      `--port=${state.ports.webhook}`,
      `--health-addr=127.0.0.1:${state.ports.gatekeeperHealth}`,
      `--prometheus-port=${state.ports.gatekeeperMetrics}`,
      `--audit-interval=${state.gatekeeperAuditSeconds}`,
      `--api-cache-dir=${join(paths.data, 'gatekeeper-audit')}`,
      `--exempt-namespace=${GATEKEEPER_NAMESPACE}`,
      '--disable-opa-builtin={http.send}',
      '--shutdown-delay=0',
      '--logtostderr',
    ],
    env: {
      POD_NAME: GATEKEEPER_POD,
      POD_NAMESPACE: GATEKEEPER_NAMESPACE,
      NAMESPACE: GATEKEEPER_NAMESPACE,
      CONTAINER_NAME: 'manager',
    },
  };
}

const COMMANDS: Readonly<Record<Component, (context: CommandContext) => CommandLine>> = {
  etcd,
  apiserver: apiServer,
  'controller-manager': controllerManager,
  scheduler,
  kwok,
  gatekeeper,
};

/** Returns the command line that starts a program of the cluster. */
export const commandLine = (component: Component, context: CommandContext): CommandLine => COMMANDS[component](context);

/**
 * Configuration of the scheduler (kubescheduler.config.k8s.io/v1). The flags for it are deprecated.
 */
export const schedulerConfiguration = (paths: ClusterPaths): object => ({
  apiVersion: 'kubescheduler.config.k8s.io/v1',
  kind: 'KubeSchedulerConfiguration',
  clientConnection: { kubeconfig: programKubeconfig(paths, 'scheduler'), qps: 200, burst: 400 },
  leaderElection: { leaderElect: false },
  enableProfiling: false,
});
