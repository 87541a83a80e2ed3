import type { Change } from '../../changes.ts';

/** Change that waits to be written. */
interface Waiting {
  readonly change: Change;
  /** Whether the change before it is also a `connected` of the same cluster. */
  readonly repeats: boolean;
}

/** Change for the start or the end of a stream. */
export type ConnectionChange = Extract<Change, { type: 'connected' }>;

const isOfAnother = (last: ConnectionChange, change: ConnectionChange): boolean => last.stream?.id !== change.stream?.id;
/** Whether the end of another stream can be recorded in a waiting start of a stream. */
const endsBeside = (last: ConnectionChange, change: ConnectionChange): boolean =>
  isOfAnother(last, change) && change.opens !== true && !change.connected && last.opens === true && change.stream !== undefined;

/**
 * Whether a change can be merged into a waiting one, so that a cluster that connects and
 * disconnects all the time causes at most two changes. The first `true` is kept, because the first
 * connection of a cluster has an audit entry.
 */
export const isFolded = (last: Waiting, change: Change): change is ConnectionChange => {
  if (last.change.type !== 'connected' || change.type !== 'connected') return false;
  if (endsBeside(last.change, change)) return true;
  // Of another stream, only its start adds to the waiting change.
  if (isOfAnother(last.change, change) && change.opens !== true) return false;
  return last.repeats || !last.change.connected || change.connected;
};

/**
 * Merges a change into a waiting one: the connection state, and the ids of the streams that ended.
 */
export const fold = (last: Change, change: ConnectionChange): ConnectionChange => {
  if (last.type !== 'connected') return change;
  const endOf = ({ stream, connected }: ConnectionChange): string[] => (stream === undefined || connected ? [] : [stream.id]);
  const { ended = [] } = last;
  if (endsBeside(last, change)) return { ...last, ended: [...ended, ...endOf(change)] };
  const all = isOfAnother(last, change) ? [...ended, ...endOf(last)] : ended;
  const { outOfDate } = change.opens === true ? change : last;
  return {
    ...change,
    ...(last.opens === true && { opens: true }),
    ...(outOfDate !== undefined && { outOfDate }),
    ...(all.length > 0 && { ended: all }),
  };
};
