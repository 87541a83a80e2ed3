import { randomUUID } from 'node:crypto';
import type { StreamEvent } from '@fso/shared/api';
import type { LedgerChange } from '../../ledger/types.ts';
import { COMMIT_KIND, readRolloutSlot, summaryOf } from '../../rollout/history/index.ts';
import { fleetOf, sourceOf, statusOf } from '../queries.ts';
import type { ApiDeps } from '../types.ts';
import { createPolicyDiff, type PolicyDiff } from './policy-diff.ts';

/** An event as it goes over the wire, with its position. */
export interface Message {
  readonly id: string;
  readonly text: string;
}

/** Where a reader starts: messages it missed, or a reset when they are no longer here. */
export interface Start {
  readonly replay: readonly Message[];
  readonly reset: boolean;
  /** Position before anything that is sent from now on. */
  readonly id: string;
}

export interface Broadcast {
  /** Where to go on after `lastId`; without one, from now. */
  start(lastId: string | undefined): Start;
  subscribe(reader: (message: Message) => void): () => void;
}

interface Pending {
  source: boolean;
  desired: boolean;
  readonly clusters: Set<string>;
  /** Slots of their records. */
  readonly commits: Set<string>;
  readonly events: StreamEvent[];
}

const nothing = (): Pending => ({ source: false, desired: false, clusters: new Set(), commits: new Set(), events: [] });

export const encodeMessage = (id: string, { event, data }: StreamEvent): string =>
  `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

const note = (pending: Pending, change: LedgerChange): void => {
  switch (change.kind) {
    case 'source':
      pending.source = true;
      break;
    case 'desired':
      pending.desired = true;
      break;
    case 'cluster':
      pending.clusters.add(change.cluster);
      break;
    case 'event':
      pending.events.push({ event: 'event', data: change.event });
      break;
  }
};

/** Reads what changed, once for all readers. */
const describe = async (deps: ApiDeps, diff: PolicyDiff, pending: Pending): Promise<StreamEvent[]> => {
  // A new revision changes what every cluster should have.
  const fleet = await fleetOf(deps);
  const touched = fleet.clusters().filter(({ record }) => pending.desired || pending.clusters.has(record.name));
  // One that was forgotten is in no list any more: readers read all of them again.
  const isAnyGone = [...pending.clusters].some((name) => fleet.cluster(name) === undefined);
  const out: StreamEvent[] = isAnyGone ? [{ event: 'reset', data: {} }] : [];
  for (const slot of pending.commits) {
    const rollout = readRolloutSlot(deps.ledger.records, slot);
    if (rollout !== null) out.push({ event: 'commit', data: summaryOf(rollout) });
  }
  if (pending.source) out.push({ event: 'source', data: await sourceOf(deps) });
  for (const { view } of touched) out.push({ event: 'cluster', data: view });
  if (pending.desired) out.push({ event: 'policy', data: { cluster: null, policies: null } });
  for (const change of diff(touched.map(({ record }) => record))) out.push({ event: 'policy', data: change });
  if (pending.source || touched.length > 0) out.push({ event: 'status', data: await statusOf(deps) });
  return [...out, ...pending.events];
};

/**
 * Turns changes of the ledger into events: gathered over a short window, so that a thousand reports make a few views,
 * and serialised once however many listen. Ids carry a name of this process: what another one gave out is a reset.
 */
export const createBroadcast = (deps: ApiDeps): Broadcast => {
  const { keep = 1000, windowMs = 100 } = deps.stream ?? {};
  const epoch = randomUUID().slice(0, 8);
  const readers = new Set<(message: Message) => void>();
  const kept: Message[] = [];
  const diff = createPolicyDiff();
  let sequence = 0;
  let pending = nothing();
  let busy = false;

  const idOf = (n: number): string => `${epoch}-${n}`;
  const send = (event: StreamEvent): void => {
    sequence += 1;
    const message = { id: idOf(sequence), text: encodeMessage(idOf(sequence), event) };
    kept.push(message);
    if (kept.length > keep) kept.shift();
    for (const reader of readers) reader(message);
  };
  const isEmpty = ({ source, desired, clusters, commits, events }: Pending): boolean =>
    !source && !desired && clusters.size + commits.size + events.length === 0;
  const flush = async (): Promise<void> => {
    while (!isEmpty(pending)) {
      const taken = pending;
      pending = nothing();
      for (const event of await describe(deps, diff, taken)) send(event);
      await deps.clock.sleep(windowMs, new AbortController().signal);
    }
  };
  const wake = (): void => {
    if (busy) return;
    busy = true;
    flush()
      .catch((err: unknown) => {
        deps.logger.error({ err }, 'live events failed');
        // What was taken is lost to the readers; they have to read again.
        send({ event: 'reset', data: {} });
      })
      .finally(() => {
        busy = false;
        if (!isEmpty(pending)) wake();
      });
  };
  deps.ledger.subscribe((change) => {
    note(pending, change);
    wake();
  });
  deps.ledger.records.subscribe(COMMIT_KIND, (slot) => {
    pending.commits.add(slot);
    wake();
  });

  return {
    start: (lastId) => {
      const id = idOf(sequence);
      if (lastId === undefined) return { replay: [], reset: false, id };
      if (lastId === id) return { replay: [], reset: false, id };
      const at = kept.findIndex((message) => message.id === lastId);
      // The position just before the oldest kept message is as good as a kept one.
      const first = kept[0] && lastId === idOf(sequence - kept.length);
      if (at < 0 && !first) return { replay: [], reset: true, id };
      return { replay: kept.slice(at + 1), reset: false, id };
    },
    subscribe: (reader) => {
      readers.add(reader);
      return () => readers.delete(reader);
    },
  };
};
