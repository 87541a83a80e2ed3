import type { Clock } from '@fso/shared/runtime';
import type { FleetState } from '../../ledger/index.ts';
import type { TurnLimiter } from './turn-limiter.ts';

/** Time for which a count of the clusters that are not connected is reused, in milliseconds. */
const COUNT_MS = 1_000;
/** Longest time until an agent may come back, in seconds. */
const MAX_SECONDS = 300;

/**
 * Estimates when an agent that finds no room may come back: no faster than agents are greeted, as
 * each refusal costs a TLS handshake.
 */
export class ReturnTime {
  readonly #handshakeTurns: TurnLimiter;
  readonly #deps: { readonly clock: Clock; readonly ledger: FleetState };
  #absent = { at: Number.NEGATIVE_INFINITY, clusters: 0 };

  constructor(handshakeTurns: TurnLimiter, deps: { readonly clock: Clock; readonly ledger: FleetState }) {
    this.#handshakeTurns = handshakeTurns;
    this.#deps = deps;
  }

  /**
   * @returns seconds until all clusters that are not connected to any hub could be greeted
   * @throws whatever the ledger throws
   */
  async seconds(): Promise<number> {
    const { clock, ledger } = this.#deps;
    const now = clock.monotonicMs();
    if (now - this.#absent.at > COUNT_MS)
      this.#absent = { at: now, clusters: (await ledger.clusters()).filter(({ connected }) => !connected).length };
    return Math.min(MAX_SECONDS, Math.max(1, Math.ceil((this.#absent.clusters * this.#handshakeTurns.paceMs) / 1000)));
  }
}
