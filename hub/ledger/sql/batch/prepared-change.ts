import { type ClusterEvent, isShortReport, type PolicyReport } from '@fso/shared/api';
import { weakMemo } from '@fso/shared/runtime';
import { type Change, digestOfEvent, eventsOfChange } from '../../changes.ts';
import { CHUNKS } from './chunks.ts';

export interface PreparedEvent {
  readonly cluster: string | null;
  readonly event: ClusterEvent;
  readonly digest: string;
  readonly json: string;
  /** RFC 3339. */
  readonly received: string;
}

/** A change with the texts that are stored of it. They are made before its transaction begins, as all hubs wait for that one's end. */
export interface PreparedChange {
  readonly change: Change;
  /** JSON of the policies that a report brings. */
  readonly policies: ReadonlyMap<PolicyReport, string>;
  readonly events: readonly PreparedEvent[];
  /** Rows that it writes or deletes, at most; an estimate. */
  readonly rows: number;
  /** Characters of the texts. */
  readonly size: number;
}

const rowsOfReport = (change: Change): number => {
  if (change.type !== 'report') return 0;
  const { full, policies, removed } = change.report;
  // A full report may change every chunk.
  return policies.length + removed.length + (full ? CHUNKS : 0);
};

const lengthOf = (texts: Iterable<string>): number => {
  let length = 0;
  for (const text of texts) length += text.length;
  return length;
};

/** Short reports are the same objects for many clusters. */
const jsonOfShort = weakMemo((policy: PolicyReport) => JSON.stringify(policy));

export const prepareChange = (change: Change): PreparedChange => {
  const reported = change.type === 'report' ? change.report.policies : [];
  const policies = new Map(reported.map((policy) => [policy, isShortReport(policy) ? jsonOfShort(policy) : JSON.stringify(policy)]));
  const events = eventsOfChange(change).map(({ cluster, event }) => ({
    cluster,
    event,
    digest: digestOfEvent(cluster, event),
    json: JSON.stringify(event),
    received: change.time,
  }));
  return {
    change,
    policies,
    events,
    rows: 1 + rowsOfReport(change) + events.length,
    size: lengthOf(policies.values()) + lengthOf(events.map(({ json }) => json)),
  };
};
