import type { PolicyInCluster, PolicyReport, PolicySummary, PolicyView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { type PageQuery, pageOf } from '../http/paging.ts';
import { worstPhase } from './phases.ts';
import { headFromReport, type PolicyHead } from './policy-head.ts';
import { emptyTally, type PolicyTally, recount } from './policy-tally.ts';

/**
 * Whether a time (RFC 3339) is after another. Times of agents are all written in one way, in which their text has their
 * order; only others have to be read.
 */
export const isLater = (a: string, b: string): boolean =>
  a.length === b.length && a.endsWith('Z') && b.endsWith('Z') ? a > b : Date.parse(a) > Date.parse(b);

/** Clusters of a policy that one answer has; each takes about 1 KB. */
export const MAX_ROWS = 1000;

/** The rows of a policy, which are made when they are asked for. */
export interface PolicyRows {
  /** undefined: the cluster is neither meant to have the policy nor reports it. */
  get(cluster: string): PolicyInCluster | undefined;
  /** In any order. */
  all(): readonly PolicyInCluster[];
}

/** One policy over all clusters that are meant to have it or report it. */
export interface PolicyEntry {
  /** See policyKey. */
  readonly key: string;
  readonly rows: PolicyRows;
  readonly tally: Readonly<PolicyTally>;
  /** As in Git, else as the first cluster that reports it says; undefined: neither has it. */
  head(): PolicyHead | undefined;
  /** With a page of its clusters, by name. @throws Error without a head */
  view(page?: PageQuery): PolicyView;
  /** @throws Error without a head */
  summary(): PolicySummary;
}

export interface MutablePolicyEntry extends PolicyEntry {
  /** What Git says; undefined: it is not in Git. */
  describe(head: PolicyHead | undefined): void;
  isInGit(): boolean;
  /** What a cluster contributed until now, and from now on; undefined: nothing. The rows say so already. */
  change(before: PolicyInCluster | undefined, now: PolicyInCluster | undefined): void;
  /** A row has this time now, which is later than the one that it had. */
  raiseTime(time: string): void;
}

/** When the report that changed last did. */
const latestOf = (rows: Iterable<PolicyInCluster>): string | null => {
  let latest: string | null = null;
  for (const { changed } of rows) if (changed !== null && (latest === null || isLater(changed, latest))) latest = changed;
  return latest;
};

const firstReport = (rows: Iterable<PolicyInCluster>): PolicyReport | undefined => {
  let first: PolicyInCluster | undefined;
  for (const row of rows) if (row.report !== null && (first === undefined || row.cluster < first.cluster)) first = row;
  return first?.report ?? undefined;
};

export const createPolicyEntry = (key: string, rows: PolicyRows): MutablePolicyEntry => {
  const tally = emptyTally();
  let inGit: PolicyHead | undefined;
  // Computed on demand, and again after a change.
  let head: PolicyHead | undefined;
  let summary: PolicySummary | undefined;
  let lastUpdated: string | null | undefined = null;

  /** Searching all clusters for the latest report is left to when the latest itself was replaced by an older one. */
  const noteUpdate = (before: string | null | undefined, now: string | null | undefined): void => {
    if (before === now || lastUpdated === undefined) return;
    if (now && (lastUpdated === null || !isLater(lastUpdated, now))) lastUpdated = now;
    else if (before === lastUpdated) lastUpdated = undefined;
  };
  const headNow = (): PolicyHead | undefined => {
    if (inGit) return inGit;
    const report = head ? undefined : firstReport(rows.all());
    if (report) head = headFromReport(report);
    return head;
  };
  const described = (): PolicyHead & Pick<PolicyView, 'phase' | 'violations'> => {
    const known = headNow();
    if (known === undefined) throw new Error(`no source describes policy ${key}`);
    return { ...known, phase: worstPhase(tally.phases), violations: tally.violations };
  };
  const summarise = (): PolicySummary => {
    if (lastUpdated === undefined) lastUpdated = latestOf(rows.all());
    const { admission, gatekeeper, binding } = tally.locks;
    return {
      ...described(),
      clusters: { ...tally.phases, connected: tally.connected },
      locks: { admission: { ...admission }, gatekeeper: { ...gatekeeper }, binding: { ...binding } },
      namespaces: tally.governed,
      lastUpdated,
    };
  };

  return {
    key,
    rows,
    tally,
    head: headNow,
    view: (page = { limit: MAX_ROWS }) => {
      const sorted = rows.all().toSorted((a, b) => byText(a.cluster, b.cluster));
      const { items, next } = pageOf(sorted, ({ cluster }) => cluster, page);
      return { ...described(), clusters: items, next };
    },
    summary: () => {
      summary ??= summarise();
      return summary;
    },
    describe: (said) => {
      inGit = said;
      summary = undefined;
    },
    isInGit: () => inGit !== undefined,
    change: (before, now) => {
      recount(tally, before, now);
      noteUpdate(before?.changed, now?.changed);
      head = undefined;
      summary = undefined;
    },
    raiseTime: (time) => {
      if (lastUpdated === undefined || (lastUpdated !== null && !isLater(time, lastUpdated))) return;
      lastUpdated = time;
      summary = undefined;
    },
  };
};
