import fc from 'fast-check';
import { type Comparison, type Counts, compare, type Mismatch, type MismatchKind, noCounts } from './compare.ts';
import { simplify } from './simplify.ts';
import type { OracleCase } from './types.ts';

export interface Phase extends Comparison {
  readonly cases: fc.Arbitrary<OracleCase>;
  readonly pods: number;
  /** Seed of the first batch; each further batch has the next number. */
  readonly seed: number;
  /** Receives the number of pods compared so far, after each batch. */
  readonly onProgress?: (pods: number) => void;
}

/** A mismatch in a batch, with all that is needed to reproduce it. */
export interface Finding {
  readonly mismatch: Mismatch;
  /** fast-check's seed and path of the shrunk case. */
  readonly seed: number;
  readonly path: string;
  /** Mismatches in the batch. */
  readonly found: number;
}

export interface PhaseResult {
  readonly counts: Counts;
  readonly seconds: number;
  readonly finding?: Finding;
}

const BATCH = 500;
/**
 * Number of batches in flight: the Go program or the API server processes some while another is
 * generated.
 */
const IN_FLIGHT = 4;

interface BadBatch {
  readonly seed: number;
  readonly first: Mismatch;
  readonly found: number;
}

/** The mismatch of one case alone, of the same kind. */
const mismatchOf = async (phase: Phase, asked: OracleCase, kind: MismatchKind): Promise<Mismatch | undefined> => {
  const mismatches = await compare(phase, [asked], noCounts());
  return mismatches.find((mismatch) => mismatch.kind === kind);
};

/** fast-check finds the case again by seed and position and shrinks it; then the unneeded parts of the pod are removed. */
const shrink = async (phase: Phase, { seed, first, found }: BadBatch): Promise<Finding> => {
  let smallest = first;
  const property = fc.asyncProperty(phase.cases, async (asked) => {
    const mismatch = await mismatchOf(phase, asked, first.kind);
    if (mismatch !== undefined) smallest = mismatch;
    return mismatch === undefined;
  });
  const details = await fc.check(property, { seed, path: String(first.index), numRuns: 1 });
  if (!details.failed) throw new Error(`the mismatch is not found again with seed ${seed}, path ${first.index}`);
  const { governed, pod } = smallest.asked;
  await simplify(pod, async (smaller) => {
    // The API server refuses a pod that lost a required part: no mismatch.
    const mismatch = await mismatchOf(phase, { governed, pod: smaller }, first.kind).catch(() => undefined);
    if (mismatch !== undefined) smallest = mismatch;
    return mismatch !== undefined;
  });
  return { mismatch: smallest, seed, path: details.counterexamplePath ?? String(first.index), found };
};

/** Compares that many generated pods; ends early at the first batch with a mismatch. */
export const runPhase = async (phase: Phase, signal: AbortSignal): Promise<PhaseResult> => {
  const started = performance.now();
  const counts = noCounts();
  const batches = Math.ceil(phase.pods / BATCH);
  let next = 0;
  let bad: BadBatch | undefined;
  let earliest = Number.POSITIVE_INFINITY;

  const runBatch = async (batch: number): Promise<void> => {
    const seed = (phase.seed + batch) | 0;
    const cases = fc.sample(phase.cases, { seed, numRuns: Math.min(BATCH, phase.pods - batch * BATCH) });
    const mismatches = await compare(phase, cases, counts);
    const [first] = mismatches;
    // Batches end in any order; the earliest with a mismatch is the same in every run with this seed.
    if (first !== undefined && batch < earliest) {
      earliest = batch;
      bad = { seed, first, found: mismatches.length };
    }
    phase.onProgress?.(counts.pods);
  };
  const work = async (): Promise<void> => {
    while (next < batches && bad === undefined) {
      signal.throwIfAborted();
      await runBatch(next++);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  const seconds = (performance.now() - started) / 1000;
  return { counts, seconds, ...(bad === undefined ? {} : { finding: await shrink(phase, bad) }) };
};
