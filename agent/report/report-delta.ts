import { type PolicyReport, policyKey } from '@fso/shared/api';

type Reports = ReadonlyMap<string, PolicyReport>;

export interface ReportDelta {
  readonly policies: readonly PolicyReport[];
  /** Keys. */
  readonly removed: readonly string[];
}

/** Room of one frame, far below what a hub takes in: events and the state of the cluster come beside it. */
export interface FrameRoom {
  readonly entries: number;
  /** Size of the policies as JSON, in bytes. */
  readonly bytes: number;
}

const REPORT_ROOM: FrameRoom = { entries: 20_000, bytes: 4 * 1024 * 1024 };

/** The part of a delta that fits into one frame, at least one policy. */
export const fitting = (
  { policies, removed }: ReportDelta,
  { entries, bytes }: FrameRoom = REPORT_ROOM,
): ReportDelta & { readonly isWhole: boolean } => {
  let left = bytes;
  const end = policies.findIndex((report, index) => {
    left -= sizeOf(report);
    return index > 0 && (left < 0 || index >= entries);
  });
  const isWhole = end === -1 && removed.length <= entries;
  return { policies: end === -1 ? policies : policies.slice(0, end), removed: removed.slice(0, entries), isWhole };
};

const sizeOf = (report: PolicyReport): number => Buffer.byteLength(JSON.stringify(report)) + 1;

/** `before` after a delta. */
export const applied = (before: Reports, { policies, removed }: ReportDelta): Reports => {
  const after = new Map(before);
  for (const report of policies) after.set(policyKey(report), report);
  for (const key of removed) after.delete(key);
  return after;
};

const NO_DELTA: ReportDelta = { policies: [], removed: [] };

/** Returns the delta from `before` to `now`: replayed on `before`, it gives `now` exactly. */
export const diffReports = (before: Reports, now: Reports): ReportDelta =>
  before === now
    ? NO_DELTA
    : {
        policies: [...now].filter(([key, report]) => !isSame(before.get(key), report)).map(([, report]) => report),
        removed: [...before.keys()].filter((key) => !now.has(key)),
      };

/** Compares reports also by the order of their fields, which digests depend on. */
const isSame = (before: PolicyReport | undefined, now: PolicyReport): boolean =>
  before === now || JSON.stringify(before) === JSON.stringify(now);
