import { isDeepStrictEqual } from 'node:util';
import { type PolicyReport, policyKey } from '@fso/shared/api';

export interface ReportDelta {
  readonly policies: readonly PolicyReport[];
  /** Keys (`namespace/name`). */
  readonly removed: readonly string[];
}

/** Room of one frame, far below what a hub takes in: events and the state of the cluster come beside it. */
export interface FrameRoom {
  readonly entries: number;
  /** Of the policies as JSON. */
  readonly bytes: number;
}

const REPORT_ROOM: FrameRoom = { entries: 20_000, bytes: 4 * 1024 * 1024 };

/** The part of a delta that fits into one frame, at least one policy, and the keys of the policies that the next ones have to bring. */
export const fitting = (
  { policies, removed }: ReportDelta,
  { entries, bytes }: FrameRoom = REPORT_ROOM,
): ReportDelta & { readonly isWhole: boolean; readonly rest: readonly string[] } => {
  let left = bytes;
  const end = policies.findIndex((report, index) => {
    left -= sizeOf(report);
    return index > 0 && (left < 0 || index >= entries);
  });
  const count = end === -1 ? policies.length : end;
  const rest = policies.slice(count).map(policyKey);
  const isWhole = rest.length === 0 && removed.length <= entries;
  return { policies: policies.slice(0, count), removed: removed.slice(0, entries), isWhole, rest };
};

const sizeOf = (report: PolicyReport): number => Buffer.byteLength(JSON.stringify(report)) + 1;

/** `before` after a delta. */
export const applied = (
  before: ReadonlyMap<string, PolicyReport>,
  { policies, removed }: ReportDelta,
): ReadonlyMap<string, PolicyReport> => {
  const after = new Map(before);
  for (const report of policies) after.set(policyKey(report), report);
  for (const key of removed) after.delete(key);
  return after;
};

/** What turns `before` into `now`: replayed on `before`, it gives `now` exactly. */
export const diffReports = (before: ReadonlyMap<string, PolicyReport>, now: ReadonlyMap<string, PolicyReport>): ReportDelta => ({
  policies: [...now].filter(([key, report]) => !isSame(before.get(key), report)).map(([, report]) => report),
  removed: [...before.keys()].filter((key) => !now.has(key)),
});

const isSame = (before: PolicyReport | undefined, now: PolicyReport): boolean => before === now || isDeepStrictEqual(before, now);
