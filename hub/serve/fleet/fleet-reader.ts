import type { SourceView, StatusView } from '@fso/shared/api';
import { isExpiring } from '@fso/shared/residency';
import type { Clock } from '@fso/shared/runtime';
import type { Visibility } from '../../access/index.ts';
import type { FleetState } from '../../ledger/index.ts';
import { countFacts } from './cluster-entry.ts';
import { type Fleet, FleetIndex } from './fleet-index.ts';
import { countPhase, noPhases, worstPhase } from './phases.ts';

const countPolicies = (fleet: Fleet, now: number): StatusView['policies'] => {
  const phases = noPhases();
  let expiring = 0;
  for (const { tally, head } of fleet.policies()) {
    countPhase(phases, worstPhase(tally.phases));
    if (isExpiring(head()?.expiryDate, now)) expiring += 1;
  }
  return { ...phases, expiring };
};

/** The fleet in numbers. @param now what expiry is compared with: ms since 1970 */
export const statusView = (fleet: Fleet, source: SourceView, { version, now }: { version: string; now: number }): StatusView => {
  const clusters = fleet.members();
  return {
    version,
    source,
    clusters: {
      total: clusters.length,
      ...countFacts(clusters),
      // Also of one that is retired: what is kept of it takes memory.
      notAllKept: countFacts(fleet.clusters()).notAllKept,
    },
    policies: countPolicies(fleet, now),
    violations: clusters.reduce((sum, { violations }) => sum + violations, 0),
  };
};

/** State of the source before the first fetch has ended. */
const UNREAD: SourceView = { url: '', ref: '', revision: null, rejected: null, error: null, lastFetch: null };

export interface FleetReaderDeps {
  readonly ledger: Pick<FleetState, 'desired' | 'clusters' | 'source'>;
  readonly clock: Clock;
  /** Version of the hub, a part of its status. */
  readonly version: string;
  /** Reads which part of the fleet the ledger shows. Absent: all of it. */
  readonly readVisibility?: () => Promise<Pick<Visibility, 'seesEverywhere'>>;
}

/** Dependency of all packages that read the fleet. */
export interface FleetDeps {
  readonly fleet: FleetReader;
}

/**
 * The fleet as a ledger has it now. One for the whole hub, whose routes, stream, metrics and trend
 * share its index, and one for each scope that is asked for.
 */
export class FleetReader {
  readonly #deps: FleetReaderDeps;
  readonly #index = new FleetIndex();

  constructor(deps: FleetReaderDeps) {
    this.#deps = deps;
  }

  /** Version of the hub. */
  get version(): string {
    return this.#deps.version;
  }

  /**
   * Updates the index.
   *
   * @returns the fleet, to be used before the next await: the next call changes it
   */
  async read(): Promise<Fleet> {
    const { ledger, readVisibility } = this.#deps;
    const [desired, clusters, visibility] = await Promise.all([ledger.desired(), ledger.clusters(), readVisibility?.()]);
    return this.#index.update({ desired, clusters, visibility });
  }

  /** The policy repository; before the first fetch has ended, one without a URL. */
  async readSource(): Promise<SourceView> {
    return (await this.#deps.ledger.source()) ?? UNREAD;
  }

  /** The fleet in numbers. */
  async readStatus(): Promise<StatusView> {
    const source = await this.readSource();
    return statusView(await this.read(), source, { version: this.#deps.version, now: this.now() });
  }

  /** Milliseconds since 1970. */
  now(): number {
    return this.#deps.clock.now().getTime();
  }
}
