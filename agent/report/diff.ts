import { isDeepStrictEqual } from 'node:util';
import type { PolicyReport } from '@fso/shared/api';

export interface ReportDelta {
  readonly policies: readonly PolicyReport[];
  /** Keys (`namespace/name`). */
  readonly removed: readonly string[];
}

/** What turns `before` into `now`: replayed on `before`, it gives `now` exactly. */
export const diffReports = (before: ReadonlyMap<string, PolicyReport>, now: ReadonlyMap<string, PolicyReport>): ReportDelta => ({
  policies: [...now].filter(([key, report]) => !isSame(before.get(key), report)).map(([, report]) => report),
  removed: [...before.keys()].filter((key) => !now.has(key)),
});

const isSame = (before: PolicyReport | undefined, now: PolicyReport): boolean => before === now || isDeepStrictEqual(before, now);
