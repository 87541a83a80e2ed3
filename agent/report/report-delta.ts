import { MAX_LISTED, type NamedPolicy } from '@fso/shared/status';

type Named = ReadonlyMap<string, NamedPolicy>;

/** Difference between two reports in the policies reported by name. */
export interface ReportDelta {
  /** Policies that are new or changed, by key. */
  readonly named: Named;
  /** Keys. */
  readonly removed: readonly string[];
}

/**
 * Capacity of one frame, far below the limit of a hub, because events and the state of the cluster
 * are added.
 */
export interface FrameRoom {
  readonly entries: number;
  /** Size of the policies as JSON, in bytes. */
  readonly bytes: number;
}

const REPORT_ROOM: FrameRoom = { entries: MAX_LISTED, bytes: 4 * 1024 * 1024 };

/** Takes the part of a delta that fits into one frame, at least one policy. */
export const takeFrame = (
  { named, removed }: ReportDelta,
  { entries, bytes }: FrameRoom = REPORT_ROOM,
): ReportDelta & { readonly isWhole: boolean } => {
  let left = bytes;
  const all = [...named];
  const end = all.findIndex((entry, index) => {
    left -= sizeOf(entry);
    return index > 0 && (left < 0 || index >= entries);
  });
  const isWhole = end === -1 && removed.length <= entries;
  return { named: end === -1 ? named : new Map(all.slice(0, end)), removed: removed.slice(0, entries), isWhole };
};

/** Size of a policy in a frame if it shares its deviation with no other. */
const sizeOf = ([key, named]: readonly [string, NamedPolicy]): number => Buffer.byteLength(JSON.stringify(named)) + key.length + 32;

/** Applies a delta to the policies of a report. @returns the policies after it */
export const applied = (before: Named, { named, removed }: ReportDelta): Named => {
  const after = new Map([...before, ...named]);
  for (const key of removed) after.delete(key);
  return after;
};

const NO_DELTA: ReportDelta = { named: new Map(), removed: [] };

/** Computes the delta from `before` to `now`: applied to `before`, it gives exactly `now`. */
export const diffReports = (before: Named, now: Named): ReportDelta =>
  before === now
    ? NO_DELTA
    : {
        named: new Map([...now].filter(([key, named]) => !isSame(before.get(key), named))),
        removed: [...before.keys()].filter((key) => !now.has(key)),
      };

/**
 * Whether two reports of a policy are equal, including the order of fields, on which digests
 * depend.
 */
const isSame = (before: NamedPolicy | undefined, now: NamedPolicy): boolean =>
  before === now || JSON.stringify(before) === JSON.stringify(now);
