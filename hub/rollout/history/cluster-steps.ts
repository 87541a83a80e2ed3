import { z } from 'zod';

/** Steps of a commit in one cluster, in the order in which they happen. */
export const STEPS = ['offered', 'accepted', 'written', 'proven'] as const;
/** Step of a commit in one cluster. */
export type Step = (typeof STEPS)[number];

/**
 * Times of the steps of one cluster, in the order of {@link STEPS}, in milliseconds after the
 * commit was noticed; null: not reached.
 */
type StepTimes = readonly (number | null)[];

/** A cluster by name, with its steps. */
export type ClusterSteps = readonly [string, StepTimes];

/**
 * Stored steps of many clusters, packed into two strings. With a list for each cluster, the 200
 * kept commits of 6,000 clusters would take 300 MB.
 */
export const PackedSteps = z.object({
  /** Names of the clusters, with a space between two. */
  names: z.string(),
  /**
   * Base64 of an Int32Array with the times of each cluster, one after the other; -1: not reached.
   */
  times: z.string(),
  /** Number of clusters. */
  total: z.int(),
  /** Number of clusters that have reached each step. */
  reached: z.array(z.int()).length(STEPS.length),
});
export type PackedSteps = z.infer<typeof PackedSteps>;

const NOT_REACHED = -1;
/** Longest stored time, about 24 days. Later steps are stored with this time. */
const MAX_MS = 2 ** 31 - 1;
const COLUMNS = Object.fromEntries(STEPS.map((step, column) => [step, column])) as Readonly<Record<Step, number>>;

const namesIn = ({ names }: PackedSteps): readonly string[] => (names === '' ? [] : names.split(' '));
const timesIn = ({ times }: PackedSteps): Int32Array => new Int32Array(new Uint8Array(Buffer.from(times, 'base64')).buffer);

/** Steps of many clusters while they are followed. */
export class StepTable {
  /** Row of each cluster. */
  readonly #rows: Map<string, number>;
  /** Times of the rows, with spare room. */
  #times: Int32Array;

  constructor(names: readonly string[], times: Int32Array = new Int32Array(names.length * STEPS.length).fill(NOT_REACHED)) {
    this.#rows = new Map(names.map((name, row) => [name, row]));
    this.#times = times;
  }

  static unpack(packed: PackedSteps): StepTable {
    return new StepTable(namesIn(packed), timesIn(packed));
  }

  pack(): PackedSteps {
    const used = this.#times.subarray(0, this.#rows.size * STEPS.length);
    const countIn = (column: number): number => {
      let count = 0;
      for (let at = column; at < used.length; at += STEPS.length) if (used[at] !== NOT_REACHED) count += 1;
      return count;
    };
    return {
      names: [...this.#rows.keys()].join(' '),
      times: Buffer.from(used.buffer, used.byteOffset, used.byteLength).toString('base64'),
      total: this.#rows.size,
      reached: STEPS.map((_, column) => countIn(column)),
    };
  }

  get size(): number {
    return this.#rows.size;
  }

  /** Returns the time at which a cluster reached a step; undefined if it has not. */
  at(cluster: string, step: Step): number | undefined {
    const row = this.#rows.get(cluster);
    const time = row === undefined ? NOT_REACHED : this.#times[row * STEPS.length + COLUMNS[step]];
    return time === NOT_REACHED ? undefined : time;
  }

  /**
   * Notes when a cluster reaches a step for the first time.
   *
   * @returns false if it has reached the step before
   */
  note(cluster: string, step: Step, ms: number): boolean {
    if (this.at(cluster, step) !== undefined) return false;
    // Before `#times` is read, as this may replace it with a larger array.
    const row = this.add(cluster);
    this.#times[row * STEPS.length + COLUMNS[step]] = Math.min(ms, MAX_MS);
    return true;
  }

  /** Adds a cluster, unless it is there. @returns its row */
  add(cluster: string): number {
    const known = this.#rows.get(cluster);
    if (known !== undefined) return known;
    const row = this.#rows.size;
    this.#rows.set(cluster, row);
    if (this.#rows.size * STEPS.length > this.#times.length) this.#grow();
    return row;
  }

  #grow(): void {
    const times = new Int32Array(Math.max(64, this.#times.length * 2)).fill(NOT_REACHED);
    times.set(this.#times);
    this.#times = times;
  }
}

/** The clusters with the times of their steps. */
export function* unpackSteps(packed: PackedSteps): Generator<ClusterSteps> {
  const times = timesIn(packed);
  for (const [row, name] of namesIn(packed).entries()) {
    const own = times.subarray(row * STEPS.length, (row + 1) * STEPS.length);
    yield [name, Array.from(own, (time) => (time === NOT_REACHED ? null : time))];
  }
}

/** Packs the steps of clusters as they are stored. */
export const packSteps = (clusters: Iterable<ClusterSteps>): PackedSteps => {
  const table = new StepTable([]);
  for (const [name, times] of clusters) {
    table.add(name);
    for (const [column, step] of STEPS.entries()) {
      const time = times[column] ?? null;
      if (time !== null) table.note(name, step, time);
    }
  }
  return table.pack();
};

/** Returns the number of clusters that have reached a step. */
export const countReached = ({ reached }: PackedSteps, step: Step): number => reached[COLUMNS[step]] ?? 0;
