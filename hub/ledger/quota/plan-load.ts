import { byText } from '@fso/shared/encoding';
import type { ReportLimits } from './report-memory.ts';
import { weigh } from './report-quota.ts';

/** A cluster in the database. */
export interface StoredSize {
  readonly cluster: string;
  /** Of its reports on policies as JSON. */
  readonly bytes: number;
  /** Bytes of what it says of itself, as JSON. */
  readonly facts: number;
  /** What all that takes in memory, at most. */
  readonly weight: number;
}

/** No report is shorter. */
const SHORTEST = 330;

/** @param policies undefined: as many as there can be */
export const storedSize = (size: Omit<StoredSize, 'weight'>, policies: number = Math.ceil(size.bytes / SHORTEST)): StoredSize => ({
  ...size,
  weight: weigh(policies, size.bytes) + size.facts,
});

const textOf = ({ bytes, facts }: StoredSize): number => bytes + facts;

/** Clusters that are read at once: each may have thousands of policies. */
const MOST = { clusters: 100, bytes: 2 * 1024 * 1024 };

/**
 * The order in which clusters are read into memory: the smallest first, so that those that are left out where there is too much are the
 * largest. Each part is read at once. Pure.
 */
export const planLoad = (sizes: readonly StoredSize[]): readonly (readonly StoredSize[])[] => {
  const parts: StoredSize[][] = [];
  let left = 0;
  for (const size of sizes.toSorted((a, b) => textOf(a) - textOf(b) || byText(a.cluster, b.cluster))) {
    const part = parts.at(-1);
    left -= textOf(size);
    if (part !== undefined && left >= 0 && part.length < MOST.clusters) part.push(size);
    else {
      parts.push([size]);
      left = MOST.bytes - textOf(size);
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
