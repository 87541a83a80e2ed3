import { isDeepStrictEqual } from 'node:util';
import { AGENT_EVENTS, type ClusterEvent } from '@fso/shared/api';
import { judgeEvent } from '@fso/shared/protocol';
import { z } from 'zod';
import { ConfigMapStore, type ConfigMapStoreOptions } from '../persistence/config-map-store.ts';

type Events = readonly ClusterEvent[];

const Stored = z.array(z.unknown());
const MAX_STORED = 1000;

/** As JSON; a ConfigMap ends at 1 MiB. Alerts are kept before warnings, and the newer before the older. */
const MAX_BYTES = 512 * 1024;
/** A hub that is there acknowledges sooner: then nothing is written. */
const SETTLE_MS = 1_000;

/** Warnings and alerts that the hub has not acknowledged, in ConfigMap `fso-agent-events`. */
export const createEventStore = (options: Pick<ConfigMapStoreOptions<Events>, 'client' | 'clock' | 'logger'>): ConfigMapStore<Events> =>
  new ConfigMapStore<Events>({
    ...options,
    name: AGENT_EVENTS,
    key: 'events',
    empty: [],
    parse: parseEvents,
    toJson: thatFit,
    isSame: isDeepStrictEqual,
    settleMs: SETTLE_MS,
  });

/** One by one: an event that cannot be read must not take the others with it. @throws on what is no list */
export const parseEvents = (json: unknown): Events =>
  Stored.parse(json)
    .slice(-MAX_STORED)
    .flatMap((value) => judgeEvent(value).entry ?? []);

const thatFit = (events: Events): Events => {
  const byWeight = [...events].reverse().sort((a, b) => Number(b.severity === 'alert') - Number(a.severity === 'alert'));
  const fitting = new Set<ClusterEvent>();
  let bytes = 0;
  for (const event of byWeight) {
    bytes += Buffer.byteLength(JSON.stringify(event)) + 1;
    if (bytes > MAX_BYTES) break;
    fitting.add(event);
  }
  return events.filter((event) => fitting.has(event));
};
