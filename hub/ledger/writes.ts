import { type Change, type ClusterChange, type ClusterOutcome, ReportGapError, StreamReplacedError } from './changes.ts';
import type { PolicyList } from './policies/index.ts';
import type { AgentStream, AnsweringReport, AppliedReport, Journal } from './types.ts';

type WithoutTime<C> = C extends unknown ? Omit<C, 'time'> : never;
/** Change without its time, which is that of its submission. */
export type ChangeInput = WithoutTime<Change>;

interface Writes
  extends Pick<
    Journal,
    | 'setSource'
    | 'openStream'
    | 'setConnected'
    | 'confirmStream'
    | 'setDiverged'
    | 'setOffered'
    | 'setAck'
    | 'setNack'
    | 'addEvent'
    | 'forgetCluster'
  > {
  setObserved(cluster: string, outOfDate: readonly string[], stream: AgentStream): Promise<void>;
  /** Applies a report. @param list policy list of the report's baseline, if known */
  applyReport(cluster: string, report: AnsweringReport, stream?: AgentStream, list?: PolicyList): Promise<AppliedReport>;
}

/**
 * Creates the write methods of a ledger. Each submits a change.
 *
 * @param submit resolves once a change is durable
 */
export const writesOf = (submit: (change: ChangeInput) => Promise<void>): Writes => {
  const outcomeOf = async (stream: AgentStream | undefined, change: WithoutTime<ClusterChange>): Promise<ClusterOutcome> => {
    const outcome: ClusterOutcome = {};
    await submit({ ...change, stream, outcome });
    if (outcome.leftOut === 'replaced') throw new StreamReplacedError();
    if (outcome.leftOut === 'gap') throw new ReportGapError();
    return outcome;
  };
  const submitBy = async (...change: Parameters<typeof outcomeOf>): Promise<void> => void (await outcomeOf(...change));
  return {
    setSource: (source) => submit({ type: 'source', source }),
    openStream: (cluster, stream, { outOfDate = [], isNew = false } = {}) =>
      submitBy(stream, {
        type: 'connected',
        cluster,
        connected: true,
        opens: true,
        ...(outOfDate.length > 0 && { outOfDate }),
        ...(isNew && { isNew }),
      }),
    setObserved: (cluster, outOfDate, stream) => submitBy(stream, { type: 'observed', cluster, outOfDate }),
    setConnected: (cluster, connected, stream) => submitBy(stream, { type: 'connected', cluster, connected }),
    confirmStream: (cluster, stream) => submitBy(stream, { type: 'confirmed', cluster }),
    setDiverged: (cluster, stream) => submitBy(stream, { type: 'diverged', cluster }),
    setOffered: (cluster, revision, stream, at) => submitBy(stream, { type: 'offered', cluster, revision, at }),
    setAck: (cluster, answer, stream) => submitBy(stream, { type: 'ack', cluster, answer }),
    setNack: (cluster, { told = true, ...nack }, stream) => submitBy(stream, { type: 'nack', cluster, nack, told }),
    applyReport: async (cluster, report, stream, list) => {
      const { cpuMs = 0 } = await outcomeOf(stream, { type: 'report', cluster, report, list });
      return { cpuMs };
    },
    forgetCluster: (cluster) => submit({ type: 'forget', cluster }),
    addEvent: (cluster, event) => submit({ type: 'event', cluster, event }),
  };
};
