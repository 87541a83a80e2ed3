import { type CompiledCluster, type CompiledPolicy, compileFleet, isGlob, matchesNamespace } from '@fso/shared/compile';
import type { NotAnsweredReason } from '@fso/shared/effects';
import { canonicalJson, sha256 } from '@fso/shared/encoding';
import { MAX_PREVIEW_BYTES, Preview } from '@fso/shared/protocol';
import type { GrantSet } from '../access/index.ts';
import type { PlanOptions } from './read-request.ts';
import type { VisibleSides } from './visible-sides.ts';

/** A question for the agents of clusters that have the same policies and the same change. */
export interface ClusterQuestion {
  readonly clusters: string[];
  /** A `preview` frame without its type and id, as JSON. */
  readonly text: string;
  /** Names of the policies that the caller sees, by their names in the question; null for all. */
  readonly names: ReadonlyMap<string, string> | null;
}

/** Clusters whose agents are not asked. */
export type NotAsked = ReadonlyMap<string, NotAnsweredReason>;

/** Limit of the texts of all questions of a plan, in characters. */
const MAX_TEXTS = 32 * 1024 * 1024;
const { put: PUT, removed: REMOVED } = Preview.shape;

type Change = Pick<Preview, 'put' | 'removed'>;

const changeOf = (had: readonly CompiledPolicy[], has: readonly CompiledPolicy[]): Change => {
  const before = new Map(had.map(({ name, spec }) => [name, spec]));
  const after = new Set(has.map(({ name }) => name));
  const isChanged = ({ name, spec }: CompiledPolicy): boolean => canonicalJson(before.get(name) ?? null) !== canonicalJson(spec);
  return {
    put: has.filter(isChanged).map(({ name, spec }) => ({ name, spec })),
    removed: had.flatMap(({ name }) => (after.has(name) ? [] : [name])),
  };
};

/**
 * Alias of a policy that is new to a caller who sees a part of a cluster. The hidden part may have
 * a policy of the same name, and the answer must not reveal it.
 */
const aliasOf = (name: string): string => `plan-${sha256(name).slice(0, 32)}`;

/** Whether the first policy governs every namespace that the second one governs. */
const covers = ({ spec: own }: CompiledPolicy, { spec: next }: CompiledPolicy): boolean => {
  // The second policy must not govern what the first one excludes: it excludes the same or more, or
  // targets a single namespace that the exclusion does not match.
  const isOutside = (out: string): boolean =>
    (next.excludedNamespaces ?? []).some((also) => matchesNamespace(also, out)) ||
    (!isGlob(next.targetNamespace) && !matchesNamespace(out, next.targetNamespace));
  return matchesNamespace(own.targetNamespace, next.targetNamespace) && (own.excludedNamespaces ?? []).every(isOutside);
};

type Asked = Pick<ClusterQuestion, 'names'> & { readonly change: Change };

/**
 * Makes the question of a caller who sees a part of a cluster. The result is `OutOfScope` if a
 * changed policy governs namespaces that the caller does not see.
 */
const askWithin = (grants: GrantSet, [had, has]: readonly [readonly CompiledPolicy[], readonly CompiledPolicy[]]): Asked | 'OutOfScope' => {
  const names = new Set(had.map(({ name }) => name));
  const isWithin = (policy: CompiledPolicy): boolean =>
    grants.seesNamespaces(policy.spec.targetNamespace) || had.some((own) => covers(own, policy));
  const { put, removed } = changeOf(had, has);
  const changed = new Set(put.map(({ name }) => name));
  // The answer would count workloads in namespaces that the caller does not see.
  if (has.some((policy) => changed.has(policy.name) && !isWithin(policy))) return 'OutOfScope';
  const nameOf = (name: string): string => (names.has(name) ? name : aliasOf(name));
  return {
    change: { put: put.map(({ name, spec }) => ({ name: nameOf(name), spec })), removed },
    names: new Map([...names, ...has.map(({ name }) => name)].map((name) => [nameOf(name), name])),
  };
};

/** Makes the questions of a plan. Clusters with the same policies and change share a question. */
class QuestionMaker {
  readonly #options: PlanOptions;
  readonly #sides: VisibleSides;
  readonly #compiled: { readonly before: ReadonlyMap<string, CompiledCluster>; readonly after: ReadonlyMap<string, CompiledCluster> };
  readonly #made = new Map<GrantSet | undefined, Map<string, ClusterQuestion | NotAnsweredReason | undefined>>();
  #characters = 0;

  constructor(options: PlanOptions, sides: VisibleSides) {
    this.#options = options;
    this.#sides = sides;
    this.#compiled = { before: compileFleet(sides.before.set), after: compileFleet(sides.after.set) };
  }

  /**
   * Finds the question for a cluster, or the reason why its agent is not asked.
   *
   * @returns undefined if nothing changes there that an agent could judge
   */
  of(cluster: string): ClusterQuestion | NotAnsweredReason | undefined {
    const had = this.#compiled.before.get(cluster);
    // A cluster that the change registers has no agent yet: only the effects on possible pods can
    // be known and accepted.
    if (had === undefined) return undefined;
    const has = this.#compiled.after.get(cluster);
    const grants = this.#sides.grantsAt(cluster);
    const known = this.#made.get(grants) ?? new Map<string, ClusterQuestion | NotAnsweredReason | undefined>();
    this.#made.set(grants, known);
    const key = `${had.digest} ${has?.digest}`;
    if (!known.has(key)) known.set(key, this.#make(had, has, grants));
    return known.get(key);
  }

  #make(had: CompiledCluster, has: CompiledCluster | undefined, grants: GrantSet | undefined) {
    const { at, withoutRegions } = this.#options;
    const asked = this.#askOf(had, has, grants);
    if (asked === 'OutOfScope') return asked;
    const { put, removed } = asked.change;
    if (put.length + removed.length + withoutRegions.length === 0 && at === undefined) return undefined;
    if (!PUT.safeParse(put).success || !REMOVED.safeParse(removed).success) return 'TooLarge';
    const text = JSON.stringify({ list: had.digest, put, removed, at: at ?? null, withoutRegions });
    this.#characters += text.length;
    // The frame adds its type and id, in less than 100 bytes.
    if (Buffer.byteLength(text) + 100 > MAX_PREVIEW_BYTES || this.#characters > MAX_TEXTS) return 'TooLarge';
    return { clusters: [], text, names: asked.names };
  }

  #askOf(had: CompiledCluster, has: CompiledCluster | undefined, grants: GrantSet | undefined): Asked | 'OutOfScope' {
    const after = has?.policies ?? [];
    if (grants === undefined || grants.seesAllPolicies) return { change: changeOf(had.policies, after), names: null };
    // Lost nodes and expiry also affect policies that the caller does not see.
    if (this.#options.at !== undefined || this.#options.withoutRegions.length > 0) return 'OutOfScope';
    const { before, after: changed } = this.#sides;
    const seen = had.policies.filter((policy) => before.counts(had.cluster, policy));
    const names = new Set(seen.map(({ name }) => name));
    return askWithin(grants, [seen, after.filter((policy) => names.has(policy.name) || changed.counts(had.cluster, policy))]);
  }
}

/**
 * Makes the questions for agents from the compiled policies that change in their clusters. Pure.
 *
 * @param clusters names
 */
export const questionsOf = (
  clusters: readonly string[],
  options: PlanOptions,
  sides: VisibleSides,
): { readonly questions: readonly ClusterQuestion[]; readonly notAsked: NotAsked } => {
  const maker = new QuestionMaker(options, sides);
  const questions = new Set<ClusterQuestion>();
  const notAsked = new Map<string, NotAnsweredReason>();
  for (const cluster of clusters) {
    const made = maker.of(cluster);
    if (typeof made === 'string') notAsked.set(cluster, made);
    else if (made !== undefined) {
      made.clusters.push(cluster);
      questions.add(made);
    }
  }
  return { questions: [...questions], notAsked };
};
