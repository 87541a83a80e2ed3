import { byText } from '@fso/shared/encoding';
import type { ReportLimits } from './report-memory.ts';
import { weigh } from './report-quota.ts';

/** A cluster in the database. */
export interface StoredSize {
  readonly cluster: string;
  /** Of its reports as JSON. */
  readonly bytes: number;
  /** What they take in memory, at most. */
  readonly weight: number;
}

/** No report is shorter. */
const SHORTEST = 330;

/** @param policies undefined: as many as there can be */
export const storedSize = (cluster: string, bytes: number, policies: number = Math.ceil(bytes / SHORTEST)): StoredSize => ({
  cluster,
  bytes,
  weight: weigh(policies, bytes),
});

/** Clusters that are read at once: each may have thousands of policies. */
const MOST = { clusters: 100, bytes: 2 * 1024 * 1024 };

/**
 * The order in which clusters are read into memory: the smallest first, so that those that are left out where there is too much are the
 * largest. Each part is read at once. Pure.
 */
export const planLoad = (sizes: readonly StoredSize[]): readonly (readonly StoredSize[])[] => {
  const parts: StoredSize[][] = [];
  let left = 0;
  for (const size of sizes.toSorted((a, b) => a.bytes - b.bytes || byText(a.cluster, b.cluster))) {
    const part = parts.at(-1);
    left -= size.bytes;
    if (part !== undefined && left >= 0 && part.length < MOST.clusters) part.push(size);
    else {
      parts.push([size]);
      left = MOST.bytes - size.bytes;
    }
  }
  return parts;
};

/**
 * Why the reports of a cluster are not read into memory, if so.
 *
 * @param total bytes that the reports take that are in memory
 */
export const refuseLoad = (
  { bytes, weight }: StoredSize,
  total: number,
  { clusterBytes, memoryBytes }: ReportLimits,
): 'quota' | 'memory' | undefined => {
  if (bytes > clusterBytes) return 'quota';
  return total + weight > memoryBytes ? 'memory' : undefined;
};
