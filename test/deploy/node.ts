import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LocalCluster } from '@fso/clusters/local';
import { CLUSTER_DIR_VARIABLE, isAlive, type ProcessRecord, runMark, spawnDetached, tail } from '../../clusters/processes.ts';
import { eventually } from '../harness/waiting.ts';
import { type NodeNetwork, writeNodeFiles } from './node-files.ts';

const run = promisify(execFile);
const ip = (...args: string[]): Promise<unknown> => run('ip', args);

const CGROUPS = '/sys/fs/cgroup';
const INIT = join(import.meta.dirname, 'node-init.sh');

export interface NodeOptions {
  readonly cluster: LocalCluster;
  /** Folder of the cluster: this node's processes end with those of its control plane. */
  readonly clusterFolder: string;
  /** Folder of kubelet and kube-proxy. */
  readonly programs: string;
  /** Absent: the node has none, as where no cloud sets it. */
  readonly region?: string | undefined;
  readonly network: NodeNetwork;
}

/** Version 1 has a tree for each controller, version 2 one for all. */
export const cgroupTrees = (): string[] =>
  existsSync(join(CGROUPS, 'cgroup.controllers')) ? [CGROUPS] : readdirSync(CGROUPS).map((entry) => join(CGROUPS, entry));

const removeCgroup = (folder: string): void => {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) if (entry.isDirectory()) removeCgroup(join(folder, entry.name));
  rmdirSync(folder);
};

/**
 * A node of a local cluster: containerd, kubelet and kube-proxy as processes of this machine, in
 * namespaces of their own for mounts, processes and network, which end with its first process. Pods
 * have addresses that this machine, and so the API server and other nodes, reach.
 */
export class RealNode {
  readonly name: string;
  readonly network: NodeNetwork;
  readonly #folder: string;
  readonly #cgroup: string;
  readonly #record: ProcessRecord;

  private constructor(cluster: string, folder: string, network: NodeNetwork, record: ProcessRecord) {
    this.name = nodeName(cluster);
    this.network = network;
    this.#folder = folder;
    this.#cgroup = cgroupOf(cluster);
    this.#record = record;
  }

  /**
   * Starts a node, which has no image yet. It ends with its cluster; {@link clean} removes what is
   * left of it then.
   */
  static async start({ cluster, clusterFolder, programs, region, network }: NodeOptions): Promise<RealNode> {
    const [name, cgroup, folder] = [nodeName(cluster.name), cgroupOf(cluster.name), join(clusterFolder, 'node')];
    for (const tree of cgroupTrees()) {
      removeCgroup(join(tree, cgroup));
      mkdirSync(join(tree, cgroup));
    }
    await writeNodeFiles(cluster, { folder, name, cgroup, network });
    const labels = region === undefined ? '' : `topology.kubernetes.io/region=${region},topology.kubernetes.io/zone=${region}a`;
    const namespaces = ['--mount', '--pid', '--net', '--fork', '--kill-child', '--mount-proc'];
    const record = await spawnDetached({
      command: 'unshare',
      args: [...namespaces, 'sh', INIT, folder, network.address, network.gateway, programs, name, labels],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: folder, [CLUSTER_DIR_VARIABLE]: clusterFolder, ...runMark() },
      logFile: join(cluster.logs, 'node.log'),
    });
    const node = new RealNode(cluster.name, folder, network, record);
    await node.#connect(`fso-${cluster.name}`);
    return node;
  }

  /** Lays a cable from this machine to the node, and the way to its pods. */
  async #connect(card: string): Promise<void> {
    const pid = await eventually(() => this.#init());
    const { gateway, address, pods } = this.network;
    await ip('link', 'add', card, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
    await ip('address', 'add', `${gateway}/24`, 'dev', card);
    await ip('link', 'set', card, 'up');
    // For what comes by this cable alone: the machine's own setting is left as it is.
    writeFileSync(`/proc/sys/net/ipv4/conf/${card}/forwarding`, '1');
    await ip('route', 'add', pods, 'via', address);
    await eventually(() => existsSync(`/proc/${this.#init()}/root/run/containerd/containerd.sock`));
  }

  /** Process number of the node's first process, as this machine sees it. */
  #init(): number | undefined {
    const { pid } = this.#record;
    if (!isAlive(this.#record)) throw new Error(`the node ended; the end of its log:\n${tail(join(this.#folder, 'log', 'kubelet.log'))}`);
    const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    return child === undefined ? undefined : Number(child);
  }

  /**
   * Sends what goes to an address of this cluster's Services from this machine, or through it, to
   * this node.
   */
  async route(address: string): Promise<void> {
    await ip('route', 'replace', address, 'via', this.network.address);
  }

  /** Command that runs another one on the node, e.g. its `ctr`. */
  enter(): readonly string[] {
    return ['nsenter', '--target', String(this.#init()), '--mount', '--net', '--pid'];
  }

  async #images(...args: readonly string[]): Promise<void> {
    const [program = '', ...node] = this.enter();
    await run(program, [...node, 'ctr', '--namespace', 'k8s.io', 'images', ...args]);
  }

  importImage(archive: string): Promise<void> {
    return this.#images('import', archive);
  }

  /** Gives an image that the node has another name. */
  tagImage(name: string, other: string): Promise<void> {
    return this.#images('tag', name, other);
  }

  /** Folders of a container's cgroups, one for each controller of version 1. */
  cgroups(podUid: string): string[] {
    return cgroupTrees().flatMap((tree) => {
      const parent = join(tree, this.#cgroup, 'kubepods');
      return ['', 'burstable', 'besteffort'].map((qos) => join(parent, qos, `pod${podUid}`)).filter((folder) => existsSync(folder));
    });
  }

  /** Removes the cgroups. Call it once the processes have ended. */
  async clean(): Promise<void> {
    await eventually(() => {
      for (const tree of cgroupTrees()) removeCgroup(join(tree, this.#cgroup));
      return true;
    });
  }
}

const nodeName = (cluster: string): string => `${cluster}-node`;
const cgroupOf = (cluster: string): string => `/fso-deploy-${cluster}`;
