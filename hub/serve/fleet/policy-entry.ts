import type { PolicyInCluster, PolicyReport, PolicySummary, PolicyView } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import { type PageQuery, pageOf } from '../http/paging.ts';
import { worstPhase } from './phases.ts';
import { headFromReport, type PolicyHead } from './policy-head.ts';
import { PolicyCounter, type PolicyTally } from './policy-tally.ts';

/**
 * Whether a time (RFC 3339) is after another. Agents write all times in the same format, which
 * sorts as text; other formats are parsed.
 */
export const isLater = (a: string, b: string): boolean =>
  a.length === b.length && a.endsWith('Z') && b.endsWith('Z') ? a > b : Date.parse(a) > Date.parse(b);

/** Maximum number of clusters of a policy in one answer. Each takes about 1 KB. */
export const MAX_ROWS = 1000;

/** Rows of a policy, created on demand. */
export interface PolicyRows {
  /** Row of a cluster; undefined if it neither should have the policy nor reports it. */
  get(cluster: string): PolicyInCluster | undefined;
  /** All rows, in any order. */
  all(): readonly PolicyInCluster[];
  /** Report of the first cluster by name that has one. Creates no row. */
  first(): ClusterPolicyReport | undefined;
}

/** Report of a policy, with the cluster that sent it. */
export interface ClusterPolicyReport {
  readonly cluster: string;
  readonly report: PolicyReport;
}

/** Policy over all clusters that should have it or report it. */
export interface PolicyEntry {
  /** See policyKey. */
  readonly key: string;
  readonly rows: PolicyRows;
  readonly tally: Readonly<PolicyTally>;
  /**
   * Content of the policy as in Git, or as in the first cluster that reports it; undefined: there
   * is none.
   */
  head(): PolicyHead | undefined;
  /**
   * View of the policy with a page of its clusters, sorted by name. @throws Error without a head
   */
  view(page?: PageQuery): PolicyView;
  /** @throws Error without a head */
  summary(): PolicySummary;
}

/** Policy in the index. Only the index calls these methods. */
export interface MutablePolicyEntry extends PolicyEntry {
  /** Sets the content of the policy in Git; undefined: it is not in Git. */
  describe(head: PolicyHead | undefined): void;
  isInGit(): boolean;
  /**
   * Replaces the contribution of a cluster; undefined: it has none. The rows already contain the
   * new one.
   */
  change(before: PolicyInCluster | undefined, now: PolicyInCluster | undefined): void;
  /**
   * Counts clusters that have the same row.
   *
   * @param row its time is the latest of the clusters
   * @param clusters number of clusters; negative: they had the row
   */
  count(row: Omit<PolicyInCluster, 'cluster'>, clusters: number): void;
  /** Records that the time of a row has increased. */
  raiseTime(time: string): void;
}

/** Time of the latest change of any row. */
const latestOf = (rows: Iterable<PolicyInCluster>): string | null => {
  let latest: string | null = null;
  for (const { changed } of rows) if (changed !== null && (latest === null || isLater(changed, latest))) latest = changed;
  return latest;
};

/** Latest time of the rows of a policy. All rows are searched only if the latest one has left. */
class LatestTime {
  readonly #search: () => string | null;
  /** undefined: to be searched. */
  #time: string | null | undefined = null;

  constructor(search: () => string | null) {
    this.#search = search;
  }

  read(): string | null {
    if (this.#time === undefined) this.#time = this.#search();
    return this.#time;
  }

  /** Replaces the time of a row. */
  replace(before: string | null | undefined, now: string | null | undefined): void {
    if (before === now || this.#time === undefined) return;
    if (now && (this.#time === null || !isLater(this.#time, now))) this.#time = now;
    else if (before === this.#time) this.#time = undefined;
  }

  /** Removes rows. @param latest their latest time */
  forget(latest: string | null): void {
    if (latest !== null && this.#time && !isLater(this.#time, latest)) this.#time = undefined;
  }
}

/** Creates the entry of a policy. @param rows rows of its clusters, maintained by the caller */
export const createPolicyEntry = (key: string, rows: PolicyRows): MutablePolicyEntry => {
  const counter = new PolicyCounter();
  let inGit: PolicyHead | undefined;
  // Computed on demand, and reset by a change.
  let first: (ClusterPolicyReport & { readonly head: PolicyHead }) | undefined;
  let summary: PolicySummary | undefined;
  const latest = new LatestTime(() => latestOf(rows.all()));
  const headNow = (): PolicyHead | undefined => {
    if (inGit) return inGit;
    const found = first ? undefined : rows.first();
    if (found) first = { ...found, head: headFromReport(found.report) };
    return first?.head;
  };
  const described = (): PolicyHead & Pick<PolicyView, 'phase' | 'violations'> => {
    const known = headNow();
    if (known === undefined) throw new Error(`no source describes policy ${key}`);
    const { phases, violations } = counter.tally();
    return { ...known, phase: worstPhase(phases), violations };
  };
  const summarise = (): PolicySummary => {
    const tally = counter.tally();
    return {
      ...described(),
      clusters: { ...tally.phases, connected: tally.connected },
      locks: {
        admission: Object.fromEntries(tally.locks.admission),
        gatekeeper: Object.fromEntries(tally.locks.gatekeeper),
        binding: Object.fromEntries(tally.locks.binding),
      },
      namespaces: tally.governed,
      lastUpdated: latest.read(),
    };
  };

  return {
    key,
    rows,
    get tally() {
      return counter.tally();
    },
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
    describe: (content) => {
      inGit = content;
      summary = undefined;
    },
    isInGit: () => inGit !== undefined,
    change: (before, now) => {
      counter.replace(before, now);
      latest.replace(before?.changed, now?.changed);
      const cluster = (now ?? before)?.cluster ?? '';
      // Determining the first cluster reads every cluster. Changes of later clusters do not affect
      // it.
      if (first !== undefined && cluster <= first.cluster) first = undefined;
      summary = undefined;
    },
    count: (row, clusters) => {
      counter.add(row, clusters);
      if (clusters > 0) latest.replace(undefined, row.changed);
      else latest.forget(row.changed);
      first = undefined;
      summary = undefined;
    },
    raiseTime: (time) => {
      latest.replace(undefined, time);
      summary = undefined;
    },
  };
};

/** Number of policies in one step of an update, which takes a few milliseconds at most. */
const STEP = 64;

/** Calls a function for each entry, in steps. */
export function* inSteps(entries: Iterable<MutablePolicyEntry>, call: (entry: MutablePolicyEntry) => void): Generator<void, void> {
  let count = 0;
  for (const entry of entries) {
    call(entry);
    count += 1;
    if (count % STEP === 0) yield;
  }
}
