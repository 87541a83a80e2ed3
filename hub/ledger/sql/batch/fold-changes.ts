import type { Change } from '../../changes.ts';

/** A change that waits. */
interface Waiting {
  readonly change: Change;
  /** A `connected` of the same cluster stands right before it. */
  readonly repeats: boolean;
}

/** Change: the stream of a cluster began or ended. */
export type ConnectionChange = Extract<Change, { type: 'connected' }>;

const isOfAnother = (last: ConnectionChange, change: ConnectionChange): boolean => last.stream?.id !== change.stream?.id;
/** A stream that waits to be opened keeps in mind that another one ended. */
const endsBeside = (last: ConnectionChange, change: ConnectionChange): boolean =>
  isOfAnother(last, change) && change.opens !== true && !change.connected && last.opens === true && change.stream !== undefined;

/**
 * Whether two changes are one: that a cluster comes and goes, as often as it likes, is at most two
 * changes. The first `true` is kept, because the audit log has an entry for the first time that a
 * cluster connects.
 */
export const isFolded = (last: Waiting, change: Change): change is ConnectionChange => {
  if (last.change.type !== 'connected' || change.type !== 'connected') return false;
  if (endsBeside(last.change, change)) return true;
  // Of another stream nothing else but its beginning says more than what waits.
  if (isOfAnother(last.change, change) && change.opens !== true) return false;
  return last.repeats || !last.change.connected || change.connected;
};

/** Merges two changes into one: whether a cluster is connected, and which streams have ended. */
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
