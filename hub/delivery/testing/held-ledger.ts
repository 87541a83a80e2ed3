import { systemClock } from '@fso/shared/runtime';
import type { Ledger } from '../../ledger/index.ts';
import { createMemoryLedger } from '../../ledger/testing/memory-ledger.ts';

/** Ledger in memory that can be slow or fail, and that records what a hub writes into it. */
export interface HeldLedger {
  /** The ledger itself, for a test that reads and writes beside the hub. */
  readonly ledger: Ledger;
  /** The ledger as the hub gets it. */
  readonly held: Ledger;
  /** Holds back what a hello, and a report, has written: a database that is away. */
  readonly slow: { until: Promise<void> };
  /** Number of times that the hub wrote a cluster as connected or not. */
  readonly written: { connected: number };
  /** Clusters whose agents have reported their current state. */
  readonly confirmed: readonly string[];
  /** Acks that have come, and what holds them back. */
  readonly acks: { readonly steps: readonly string[]; until: Promise<void> };
}

/** Creates a {@link HeldLedger} in memory. */
export const createHeldLedger = (): HeldLedger => {
  const ledger = createMemoryLedger({ clock: systemClock });
  const slow = { until: Promise.resolve() as Promise<void> };
  const written = { connected: 0 };
  const openStream: Ledger['openStream'] = async (...args) => {
    written.connected += 1;
    await slow.until;
    await ledger.openStream(...args);
  };
  const setConnected: Ledger['setConnected'] = async (...args) => {
    written.connected += 1;
    await slow.until;
    await ledger.setConnected(...args);
  };
  const applyReport: Ledger['applyReport'] = async (...args) => {
    await slow.until;
    return ledger.applyReport(...args);
  };
  const confirmed: string[] = [];
  const confirmStream: Ledger['confirmStream'] = async (cluster, stream) => {
    confirmed.push(cluster);
    await ledger.confirmStream(cluster, stream);
  };
  const acks = { steps: [] as string[], until: Promise.resolve() as Promise<void> };
  const setAck: Ledger['setAck'] = async (cluster, ack, stream) => {
    acks.steps.push(`write ${ack.revision[0]}`);
    await acks.until;
    await ledger.setAck(cluster, ack, stream);
    acks.steps.push(`written ${ack.revision[0]}`);
  };
  const held = { ...ledger, openStream, setConnected, confirmStream, setAck, applyReport };
  return { ledger, held, slow, written, confirmed, acks };
};
