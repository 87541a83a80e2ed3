import type { Clock } from '@fso/shared/runtime';
import type { CanaryProber } from './canary-prober.ts';
import type { Prober } from './prober.ts';

/** Two requests a second: 1,000 namespaces take their turn within 8 min 20 s. */
const TICK_MS = 500;
/** One of so many requests asks lock 2: a Gatekeeper that died shows after 2 s. */
const CANARY_EACH = 4;
/** The index is one, whatever the number of namespaces: a mute one shows within 20 s. */
const INDEX_EACH = 20;

/**
 * Proves again and again what was proven, one request at a time for all namespaces together. A tick never waits for the
 * answer to the one before.
 */
export const rotate = async (
  clock: Clock,
  {
    prober,
    index,
    canary,
  }: {
    readonly prober: Pick<Prober, 'probeNext' | 'visited'>;
    readonly index: Pick<Prober, 'probeNext'>;
    readonly canary: Pick<CanaryProber, 'probeNext'>;
  },
  signal: AbortSignal,
): Promise<void> => {
  for (let tick = 1; !signal.aborted; tick += 1) {
    await clock.sleep(TICK_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    if (tick % INDEX_EACH === 0) index.probeNext();
    const asked = tick % CANARY_EACH === 0 ? canary.probeNext() : undefined;
    if (asked === undefined) prober.probeNext();
    else prober.visited(asked);
  }
};
