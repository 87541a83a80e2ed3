import type { ClusterEvent, PolicyReport } from '@fso/shared/api';
import { threadCpuMs } from '@fso/shared/runtime';
import { textOfDeviation } from '@fso/shared/status';
import { type Change, digestOfEvent, eventsOfChange } from '../../changes.ts';
import { type ListRow, makeListRow } from '../policy-lists.ts';

/** An event with its JSON and the digest that makes it unique. */
export interface PreparedEvent {
  readonly cluster: string | null;
  readonly event: ClusterEvent;
  readonly digest: string;
  readonly json: string;
  /** RFC 3339. */
  readonly received: string;
}

/**
 * A change with the texts that are stored of it. They are made before its transaction begins, as
 * all hubs wait for that one's end.
 */
export interface PreparedChange {
  readonly change: Change;
  /** JSON of the policies that a report brings. */
  readonly policies: ReadonlyMap<PolicyReport, string>;
  readonly events: readonly PreparedEvent[];
  /** Row of the list that it brings. */
  readonly list?: ListRow;
  /** Rows that it writes or deletes, at most; an estimate. */
  readonly rows: number;
  /** Characters of the texts. */
  readonly size: number;
  /** CPU time that it took to prepare, in milliseconds. */
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

/** Characters of a name beside itself: quotes and a comma. */
const NAME_CHARACTERS = 3;

/** Characters of the deviations that a report brings, as JSON; an estimate. */
const deviationsLength = (change: Change): number => {
  if (change.type !== 'report') return 0;
  let length = 0;
  for (const { deviation, policies } of change.report.deviations)
    length += textOfDeviation(deviation).length + lengthOf(policies) + policies.length * NAME_CHARACTERS;
  return length;
};

/** Makes the JSON of a change ahead of its transaction. */
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
