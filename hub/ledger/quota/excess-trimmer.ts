import { type Clock, type Logger, listText } from '@fso/shared/runtime';
import type { ReportMemory } from './report-memory.ts';

/** Least time between two warnings that policies were left out for want of memory. */
const WARNING_MS = 60_000;

interface ExcessTrimmerParts {
  readonly memory: ReportMemory;
  /** Takes out of a cluster's record what there is no memory for. */
  readonly trim: (cluster: string) => Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Leaves policies of clusters out where all reports together are too much for the memory. */
export class ExcessTrimmer {
  readonly #parts: ExcessTrimmerParts;
  readonly #trimming = new Set<string>();
  #warned = Number.NEGATIVE_INFINITY;

  constructor(parts: ExcessTrimmerParts) {
    this.#parts = parts;
  }

  /** Begins to trim, unless that is under way. */
  trim(): void {
    const { memory, trim, logger } = this.#parts;
    const excess = this.#trimming.size > 0 ? [] : memory.findExcess();
    if (excess.length > 0) this.#warn(excess);
    for (const cluster of excess) {
      this.#trimming.add(cluster);
      trim(cluster)
        .catch((err: unknown) => logger.error({ err }, 'ledger write failed'))
        .finally(() => this.#trimming.delete(cluster));
    }
  }

  #warn(clusters: readonly string[]): void {
    const { memory, clock, logger } = this.#parts;
    if (clock.monotonicMs() - this.#warned < WARNING_MS) return;
    this.#warned = clock.monotonicMs();
    logger.warn(
      { clusters: listText(clusters), bytes: memory.total },
      'policies of clusters left out: all reports together are too much for the memory',
    );
  }
}
