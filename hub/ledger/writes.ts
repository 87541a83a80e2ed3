import type { Change } from './changes.ts';
import type { Ledger } from './types.ts';

type WithoutTime<C> = C extends unknown ? Omit<C, 'time'> : never;
/** A change whose time is that of its submission. */
export type ChangeInput = WithoutTime<Change>;

type Writes = Pick<Ledger, 'setSource' | 'setConnected' | 'setOffered' | 'setAck' | 'setNack' | 'applyReport' | 'addEvent'>;

/** The writes of a ledger as changes. */
export const writesOf = (submit: (change: ChangeInput) => Promise<void>): Writes => ({
  setSource: (source) => submit({ type: 'source', source }),
  setConnected: (cluster, connected) => submit({ type: 'connected', cluster, connected }),
  setOffered: (cluster, revision) => submit({ type: 'offered', cluster, revision }),
  setAck: (cluster, ack) => submit({ type: 'ack', cluster, ack }),
  setNack: (cluster, nack, told = true) => submit({ type: 'nack', cluster, nack, told }),
  applyReport: (cluster, report) => submit({ type: 'report', cluster, report }),
  addEvent: (cluster, event) => submit({ type: 'event', cluster, event }),
});
