import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LocalCluster } from '@fso/clusters/local';
import { parse, stringify } from 'yaml';
import { CLUSTER_DOMAIN } from './cluster-dns.ts';
import { PAUSE_IMAGE } from './images.ts';

/** Addresses of a node and of its pods, which no other node of this machine has. */
export interface NodeNetwork {
  /** Address of this machine, at the other end of the node's cable. */
  readonly gateway: string;
  readonly address: string;
  readonly pods: string;
}

/** @param number other than those of the nodes beside it */
export const networkOf = (number: number): NodeNetwork => ({
  gateway: `10.231.${number}.1`,
  address: `10.231.${number}.2`,
  pods: `10.232.${number}.0/24`,
});

const containerdConfig = (folder: string): string => `version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  # Where root lacks CAP_SYS_RESOURCE, as in most sandboxes.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/cni"
`;

const cniConfig = ({ pods }: NodeNetwork): object => ({
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      hairpinMode: true,
      ipam: { type: 'host-local', ranges: [[{ subnet: pods }]], routes: [{ dst: '0.0.0.0/0' }] },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
});

const kubeletConfig = (cgroup: string, folder: string, { gateway }: NodeNetwork): object => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
  clusterDNS: [gateway],
  clusterDomain: CLUSTER_DOMAIN,
  cgroupDriver: 'cgroupfs',
  cgroupRoot: cgroup,
  failCgroupV1: false,
  enforceNodeAllocatable: [],
  localStorageCapacityIsolation: false,
  oomScoreAdj: 0,
  volumePluginDir: '/var/lib/kubelet/volume-plugins',
  // Nothing can be pulled again.
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: join(folder, 'ca.crt') } },
  authorization: { mode: 'Webhook' },
});

const kubeProxyConfig = (name: string, folder: string, { pods }: NodeNetwork): object => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'iptables',
  hostnameOverride: name,
  clusterCIDR: pods,
  clientConnection: { kubeconfig: join(folder, 'kube-proxy.kubeconfig') },
  // These are settings of the machine.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  oomScoreAdj: 0,
});

interface Kubeconfig {
  readonly clusters: readonly { readonly cluster: Record<string, string> }[];
}

/**
 * Kubeconfig for a program on the node, which reaches the API server at another address than this
 * machine, one that the certificate does not name.
 */
const kubeconfigFor = (file: string, server: string): string => {
  const config = parse(readFileSync(file, 'utf8')) as Kubeconfig;
  for (const { cluster } of config.clusters) Object.assign(cluster, { server, 'tls-server-name': 'kubernetes' });
  // Kubernetes reads YAML 1.1, to which a bare `off` is false.
  return stringify(config, { version: '1.1' });
};

const authorityOf = (kubeconfig: string): Buffer => {
  const { clusters } = parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  return Buffer.from(clusters[0]?.cluster['certificate-authority-data'] ?? '', 'base64');
};

export interface NodeFilesOptions {
  readonly folder: string;
  readonly name: string;
  readonly cgroup: string;
  readonly network: NodeNetwork;
}

/** Writes what the programs of a node read. */
export const writeNodeFiles = async (cluster: LocalCluster, { folder, name, cgroup, network }: NodeFilesOptions): Promise<void> => {
  for (const part of ['lib', 'log', 'cni']) mkdirSync(join(folder, part), { recursive: true });
  const server = `https://${network.gateway}:${new URL(cluster.server).port}`;
  const kubelet = await cluster.createUserKubeconfig(`system:node:${name}`, ['system:nodes']);
  const kubeProxy = await cluster.createUserKubeconfig('system:kube-proxy');
  const files: Readonly<Record<string, string | Buffer>> = {
    'ca.crt': authorityOf(cluster.kubeconfig),
    'containerd.toml': containerdConfig(folder),
    'cni/pods.conflist': JSON.stringify(cniConfig(network)),
    'kubelet.yaml': JSON.stringify(kubeletConfig(cgroup, folder, network)),
    'kubelet.kubeconfig': kubeconfigFor(kubelet, server),
    'kube-proxy.yaml': JSON.stringify(kubeProxyConfig(name, folder, network)),
    'kube-proxy.kubeconfig': kubeconfigFor(kubeProxy, server),
  };
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content, { mode: 0o600 });
};
