import { type Change, type ClusterChange, type StreamOutcome, StreamReplacedError } from './changes.ts';
import type { AgentStream, Ledger } from './types.ts';

type WithoutTime<C> = C extends unknown ? Omit<C, 'time'> : never;
/** A change whose time is that of its submission. */
export type ChangeInput = WithoutTime<Change>;

type Writes = Pick<
  Ledger,
  'setSource' | 'openStream' | 'setConnected' | 'setOffered' | 'setAck' | 'setNack' | 'applyReport' | 'addEvent' | 'forgetCluster'
>;

/** The writes of a ledger as changes. */
export const writesOf = (submit: (change: ChangeInput) => Promise<void>): Writes => {
  const submitBy = async (stream: AgentStream | undefined, change: WithoutTime<ClusterChange>): Promise<void> => {
    const outcome: StreamOutcome = {};
    await submit({ ...change, stream, outcome });
    if (outcome.replaced === true) throw new StreamReplacedError();
  };
  return {
    setSource: (source) => submit({ type: 'source', source }),
    openStream: (cluster, stream) => submitBy(stream, { type: 'connected', cluster, connected: true, opens: true }),
    setConnected: (cluster, connected, stream) => submitBy(stream, { type: 'connected', cluster, connected }),
    setOffered: (cluster, revision, stream) => submitBy(stream, { type: 'offered', cluster, revision }),
    setAck: (cluster, ack, stream) => submitBy(stream, { type: 'ack', cluster, ack }),
    setNack: (cluster, { told = true, ...nack }, stream) => submitBy(stream, { type: 'nack', cluster, nack, told }),
    applyReport: (cluster, report, stream) => submitBy(stream, { type: 'report', cluster, report }),
    forgetCluster: (cluster) => submit({ type: 'forget', cluster }),
    addEvent: (cluster, event) => submit({ type: 'event', cluster, event }),
  };
};
