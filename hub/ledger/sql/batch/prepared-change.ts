import type { ClusterEvent, PolicyReport } from '@fso/shared/api';
import { threadCpuMs } from '@fso/shared/runtime';
import { textOfDeviation } from '@fso/shared/status';
import { type Change, digestOfEvent, eventsOfChange } from '../../changes.ts';
import { type ListRow, makeListRow } from '../policy-lists.ts';

/** Event with its JSON and the digest that identifies it. */
export interface PreparedEvent {
  readonly cluster: string | null;
  readonly event: ClusterEvent;
  readonly digest: string;
  readonly json: string;
  /** Time of receipt, RFC 3339. */
  readonly received: string;
}

/**
 * Change with its serialized texts. They are created before the transaction, because all hubs wait
 * for its end.
 */
export interface PreparedChange {
  readonly change: Change;
  /** JSON of the policies in the report. */
  readonly policies: ReadonlyMap<PolicyReport, string>;
  readonly events: readonly PreparedEvent[];
  /** Row of the list in the change. */
  readonly list?: ListRow;
  /** Estimate of the maximum number of rows that it writes or deletes. */
  readonly rows: number;
  /** Number of characters of the texts. */
  readonly size: number;
  /** CPU time for preparing it, in milliseconds. */
  readonly cpuMs: number;
}

const rowsOf = (change: Change): number => {
  if (change.type !== 'report') return 0;
  const { deviations, policies, removed } = change.report;
  return deviations.reduce((sum, group) => sum + group.policies.length, policies.length + removed.length);
};

const lengthOf = (texts: Iterable<string>): number => {
  let length = 0;
  for (const text of texts) length += text.length;
  return length;
};

/** Characters that a name takes besides itself: quotes and a comma. */
const NAME_CHARACTERS = 3;

/** Estimates the characters of a report's deviations as JSON. */
const deviationsLength = (change: Change): number => {
  if (change.type !== 'report') return 0;
  let length = 0;
  for (const { deviation, policies } of change.report.deviations)
    length += textOfDeviation(deviation).length + lengthOf(policies) + policies.length * NAME_CHARACTERS;
  return length;
};

/** Serializes a change ahead of its transaction. */
export const prepareChange = (change: Change): PreparedChange => {
  const before = threadCpuMs();
  const reported = change.type === 'report' ? change.report.policies : [];
  const policies = new Map(reported.map((policy) => [policy, JSON.stringify(policy)]));
  const events = eventsOfChange(change).map(({ cluster, event }) => ({
    cluster,
    event,
    digest: digestOfEvent(cluster, event),
    json: JSON.stringify(event),
    received: change.time,
  }));
  const list = change.type === 'list' ? makeListRow(change.list, change.time) : undefined;
  return {
    change,
    ...(list && { list }),
    policies,
    events,
    rows: 1 + rowsOf(change) + events.length,
    size: lengthOf(policies.values()) + deviationsLength(change) + lengthOf(events.map(({ json }) => json)) + (list?.list_json.length ?? 0),
    cpuMs: threadCpuMs() - before,
  };
};
