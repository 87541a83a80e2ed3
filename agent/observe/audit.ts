import { matchesNamespace } from '@fso/shared/compile';
import { weakMemo } from '@fso/shared/runtime';
import type { Pod } from '../cache/index.ts';
import { type Constraint, type ConstraintEntry, entriesOf, groupIdentityOf, type ScopedEnforcementAction } from '../enforce/index.ts';
import { mayStray, RegionSets } from './stray-pods.ts';

/**
 * Whether Gatekeeper's audit and this agent count the same violations; becomes the condition
 * `AuditAgrees` of a policy.
 */
export interface AuditFacts {
  readonly agrees: boolean;
  readonly message: string;
}

/** Constraints with Gatekeeper's counts, and the pods to compare them with. */
export interface AuditInput {
  /** Constraints that are as desired and in force. */
  readonly constraints: readonly Constraint[];
  /** Names of the namespaces of the cluster. */
  readonly namespaces: readonly string[];
  /** Pods of a namespace: the same object while they are unchanged. */
  podsIn(namespace: string): Iterable<Pod>;
}

/** Audits of one constraint so far. */
interface Track {
  readonly uid: string | undefined;
  readonly generation: number | undefined;
  readonly group: string;
  /** Time of the last audit. Counts from before it do not apply to the next one. */
  auditTimestamp: string | undefined;
  /** Lowest and highest count by this agent since the last audit. */
  min: number;
  max: number;
  /** Number of consecutive audits that differed. */
  differing: number;
  facts: AuditFacts | undefined;
}

/**
 * Audits that must differ in a row. An audit takes a while and pods change meanwhile, so a single
 * difference means nothing.
 */
const IN_A_ROW = 2;

/**
 * Compares the totals of Gatekeeper's audits with the agent's own count of the pods that each
 * constraint refuses. Lock 2 is a second implementation: equal counts show that both locks decide
 * alike on everything that runs.
 *
 * An audit reads the pods at some time before its result is written. So its total must lie between
 * the lowest and the highest count since the previous result.
 */
export class AuditComparison {
  readonly #tracks = new Map<string, Track>();
  readonly #sets = new RegionSets();
  /** Counts of refused pods, by the pods of a namespace, then by regions. */
  readonly #counts = weakMemo((pods: Iterable<Pod>) => weakMemo((allowed: ReadonlySet<string>) => countRefused(pods, allowed)));
  readonly #onDiffer: (message: string) => void;

  /** @param onDiffer called once when the counts of a constraint begin to differ */
  constructor(onDiffer: (message: string) => void) {
    this.#onDiffer = onDiffer;
  }

  /**
   * Compares the counts.
   *
   * @returns result by constraint, without constraints that were not audited twice yet
   */
  compare({ constraints, namespaces, podsIn }: AuditInput): ReadonlyMap<string, AuditFacts> {
    const audited = constraints.filter(isAudited);
    const names = new Set(audited.map(({ metadata }) => metadata.name));
    for (const name of this.#tracks.keys()) if (!names.has(name)) this.#tracks.delete(name);
    const facts = new Map<string, AuditFacts>();
    for (const constraint of audited) {
      const found = this.#follow(constraint, this.#count(constraint, namespaces, podsIn));
      if (found !== undefined) facts.set(constraint.metadata.name, found);
    }
    return facts;
  }

  #follow(constraint: Constraint, count: number): AuditFacts | undefined {
    const { name, uid, generation } = constraint.metadata;
    const known = this.#tracks.get(name);
    const same = known !== undefined && known.uid === uid && known.generation === generation;
    const group = groupIdentityOf(constraint);
    // The result of an audit for other regions does not apply.
    const facts = known?.group === group ? known.facts : undefined;
    const track = same ? known : { uid, generation, group, auditTimestamp: undefined, min: count, max: count, differing: 0, facts };
    this.#tracks.set(name, track);
    track.min = Math.min(track.min, count);
    track.max = Math.max(track.max, count);
    const { auditTimestamp, totalViolations = 0 } = constraint.status ?? {};
    if (auditTimestamp === undefined || auditTimestamp === track.auditTimestamp) return track.facts;
    const before = track.facts;
    if (track.auditTimestamp !== undefined) judge(track, name, totalViolations);
    if (track.facts?.agrees === false && before?.agrees !== false) this.#onDiffer(track.facts.message);
    Object.assign(track, { auditTimestamp, min: count, max: count });
    return track.facts;
  }

  #count(constraint: Constraint, namespaces: readonly string[], podsIn: AuditInput['podsIn']): number {
    const allowed = this.#sets.of(constraint.spec?.parameters?.regions ?? NO_REGIONS);
    const excluded = constraint.spec?.match?.excludedNamespaces ?? [];
    const patterns = entriesOf(constraint);
    let count = 0;
    for (const namespace of namespacesOf(patterns, namespaces)) {
      if (excluded.some((pattern) => matchesNamespace(pattern, namespace))) continue;
      count += this.#counts(podsIn(namespace))(allowed);
    }
    return count;
  }
}

const NO_REGIONS: readonly string[] = [];

/**
 * Counts pods like the Rego in an audit: the node that the scheduler chose does not matter, and
 * finished pods count.
 */
const countRefused = (pods: Iterable<Pod>, allowed: ReadonlySet<string>): number => {
  let count = 0;
  for (const pod of pods) if (mayStray(pod, allowed)) count += 1;
  return count;
};

/**
 * Finds the namespaces that match the patterns. Exact names are not checked for existence, so
 * thousands of them stay cheap.
 */
const namespacesOf = (patterns: readonly ConstraintEntry[], namespaces: readonly string[]): ReadonlySet<string> => {
  const { exact, globs } = splitPatterns(patterns);
  const matched = globs.length === 0 ? [] : namespaces.filter((name) => globs.some((glob) => matchesNamespace(glob, name)));
  return matched.length === 0 ? exact : new Set([...exact, ...matched]);
};

/** Splits the patterns of a constraint. Memoized by identity. */
const splitPatterns = weakMemo((patterns: readonly ConstraintEntry[]) => ({
  exact: new Set(patterns.filter(({ pattern }) => !pattern.includes('*')).map(({ pattern }) => pattern)),
  globs: patterns.filter(({ pattern }) => pattern.includes('*')).map(({ pattern }) => pattern),
}));

const AUDIT_POINTS: ReadonlySet<string> = new Set(['audit.gatekeeper.sh', '*']);

/** Whether the audit covers a constraint. A scoped one may exclude the audit. */
const isAudited = ({ spec }: Constraint): boolean => {
  if (spec?.enforcementAction !== 'scoped') return true;
  const { scopedEnforcementActions = [] } = spec as { scopedEnforcementActions?: readonly ScopedEnforcementAction[] };
  return scopedEnforcementActions.some(({ enforcementPoints }) => enforcementPoints.some(({ name }) => AUDIT_POINTS.has(name)));
};

const AGREES: AuditFacts = { agrees: true, message: '' };

const judge = (track: Track, name: string, total: number): void => {
  const { min, max } = track;
  const inside = total >= min && total <= max;
  track.differing = inside ? 0 : track.differing + 1;
  if (inside) {
    track.facts = AGREES;
  } else if (track.differing >= IN_A_ROW) {
    const counted = min === max ? `${min}` : `${min} to ${max}`;
    const message = `the audit of Gatekeeper finds ${total} pods that constraint ${name} refuses, this agent ${counted}: a Config of Gatekeeper that excludes namespaces from its audit, an audit that fails (look at its log), or two implementations that disagree`;
    track.facts = { agrees: false, message };
  }
};

/**
 * Picks the audit of a policy: of its first constraint whose counts differ, else of its first
 * constraint; undefined without any audit.
 */
export const auditOfPolicy = (constraints: readonly string[], facts: ReadonlyMap<string, AuditFacts>): AuditFacts | undefined => {
  const known = constraints.map((name) => facts.get(name)).filter((audit) => audit !== undefined);
  return known.find(({ agrees }) => !agrees) ?? known[0];
};
