import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { memoryOf } from '../bench/memory-of.ts';
import type { RealCluster } from './real-cluster.ts';

const MIB = 1024 ** 2;
const FILE = join('.fso', 'deploy', 'figures.json');

const read = (folder: string, file: string): string | undefined => {
  const path = join(folder, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
};

/** The first file that one of the cgroups has: version 1 and 2 name them differently, and version 1 spreads them over several trees. */
const firstOf = (folders: readonly string[], ...files: readonly string[]): string => {
  for (const file of files)
    for (const folder of folders) {
      const text = read(folder, file);
      if (text !== undefined) return text;
    }
  throw new Error(`no cgroup of ${folders.join(', ')} has ${files.join(' or ')}`);
};

const field = (text: string, name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);

const cpuSeconds = (folders: readonly string[]): number => {
  const text = firstOf(folders, 'cpuacct.usage', 'cpu.stat');
  return text.includes('usage_usec') ? field(text, 'usage_usec') / 1e6 : Number(text) / 1e9;
};

/** Figures of a pod with all its containers. */
export interface PodFigures {
  readonly pod: string;
  /**
   * Memory that Kubernetes counts against the limit, and evicts by: all memory without files that
   * can be read again.
   */
  readonly workingSetMiB: number;
  readonly peakMiB: number;
  readonly limitMiB: number;
  /** Memory of the pod's processes; a page that n processes of this machine share counts as 1/n. */
  readonly pssMiB: number;
  readonly cpuSeconds: number;
  /** Share of the 100 ms periods in which the limit held the pod back, since its start. */
  readonly throttled: number;
}

/** Process ids in a cgroup and in those below it, as this machine numbers them. */
const processesOf = (folder: string): number[] => {
  const own = (read(folder, 'cgroup.procs') ?? '').split('\n').filter(Boolean).map(Number);
  const below = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...own, ...below.flatMap(({ name }) => processesOf(join(folder, name)))];
};

const mebibytes = (bytes: number): number => Math.round(bytes / MIB);

const figuresOf = (pod: string, folders: readonly string[]): PodFigures => {
  const stat = firstOf(folders, 'memory.stat');
  const used = Number(firstOf(folders, 'memory.current', 'memory.usage_in_bytes'));
  const inactive = field(stat, 'total_inactive_file') || field(stat, 'inactive_file');
  const cpu = firstOf(folders, 'cpu.stat');
  return {
    pod,
    workingSetMiB: mebibytes(used - inactive),
    peakMiB: mebibytes(Number(firstOf(folders, 'memory.peak', 'memory.max_usage_in_bytes'))),
    limitMiB: mebibytes(Number(firstOf(folders, 'memory.max', 'memory.limit_in_bytes'))),
    pssMiB: mebibytes(processesOf(folders[0] ?? '').reduce((sum, pid) => sum + (memoryOf(pid)[0]?.pss ?? 0), 0)),
    cpuSeconds: Math.round(cpuSeconds(folders) * 10) / 10,
    throttled: field(cpu, 'nr_throttled') / Math.max(1, field(cpu, 'nr_periods')),
  };
};

/** Figures of the pods of a namespace. */
export const podFigures = async (cluster: RealCluster, namespace: string): Promise<PodFigures[]> => {
  const pods = await cluster.pods(namespace);
  return pods.map(({ metadata }) => figuresOf(`${cluster.name}/${metadata.name}`, cluster.node.cgroups(metadata.uid ?? '')));
};

/** Prints a table, and adds it to `.fso/deploy/figures.json` under its title. */
export const report = (title: string, rows: readonly object[]): void => {
  console.log(title);
  console.table(rows);
  mkdirSync(dirname(FILE), { recursive: true });
  const before: unknown = existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : {};
  writeFileSync(FILE, `${JSON.stringify({ ...Object(before), [title]: rows }, undefined, 2)}\n`);
};
