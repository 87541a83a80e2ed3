import type { Violation } from '@fso/shared/api';
import { sameItems } from '@fso/shared/runtime';
import type { NodesByName, Pod } from '../cache/index.ts';
import { isSameMap } from '../compare.ts';
import type { Governance, PolicyOutcome } from '../enforce/index.ts';
import { RegionSets, StrayPodFinder, type StrayPods } from './stray-pods.ts';
import type { FirstSeenTimes } from './violation-times.ts';

/** Most violations that a policy names. All are counted. */
export const MAX_SAMPLES = 20;

/** A pod that violates a policy. */
export interface FoundViolation {
  readonly pod: Pod;
  readonly violation: Violation;
}

/** Violations of a policy in one namespace. */
export interface NamespaceViolations {
  readonly namespace: string;
  /** Number of all violations. */
  readonly count: number;
  /** The same pods as in {@link StrayPods.first}. */
  readonly first: readonly FoundViolation[];
}

/** Violations of one policy: their number, and the first ones. */
export interface PolicyViolations {
  /** Number of all violations. */
  readonly count: number;
  /** Namespaces with violations, by name. */
  readonly namespaces: readonly NamespaceViolations[];
  /** The first {@link MAX_SAMPLES}, by namespace and name. */
  readonly samples: readonly Violation[];
}

/** Violations of a policy that no pod violates. */
export const NO_VIOLATIONS: PolicyViolations = { count: 0, namespaces: [], samples: [] };

/** Policies, pods and nodes among which violations are searched. */
export interface ViolationInput {
  readonly governance: Pick<Governance, 'policies'>;
  /** Pods of a namespace: the same object while they are unchanged. */
  podsIn(namespace: string): Iterable<Pod>;
  /** Nodes by name: the same object while their regions are unchanged. */
  readonly nodes: NodesByName;
  /** Times from an earlier agent, see violation-times.ts. */
  readonly restored?: FirstSeenTimes;
  readonly now: Date;
}

type Governing = Extract<PolicyOutcome, { kind: 'governing' }>;

/** Violations of a policy, with the inputs that they were derived from. */
interface KnownViolations {
  readonly namespaces: readonly string[];
  /** Stray pods, one entry per namespace. */
  readonly strays: readonly StrayPods[];
  readonly violations: PolicyViolations;
  /** Samples with their pods. */
  readonly named: readonly FoundViolation[];
}

/**
 * Finds the pods that run outside the regions of a policy that governs them, or may be scheduled
 * outside. Results are memoized by pods, nodes and regions.
 */
export class ViolationFinder {
  readonly #sets = new RegionSets();
  readonly #strays = new StrayPodFinder();
  #known: ReadonlyMap<string, KnownViolations> = new Map();
  #reported: FirstSeenTimes = new Map();

  /** {@link Violation.since} of the samples that were found last. */
  get reported(): FirstSeenTimes {
    return this.#reported;
  }

  /** @returns violations by policy; policies without any are absent */
  find(input: ViolationInput): ReadonlyMap<string, PolicyViolations> {
    const known = new Map<string, KnownViolations>();
    for (const [policy, outcome] of input.governance.policies) {
      const found = outcome.kind === 'governing' ? this.#findOf(policy, outcome, input) : undefined;
      if (found !== undefined) known.set(policy, found);
    }
    if (!isSameMap(this.#known, known)) this.#reported = timesOf(known);
    this.#known = known;
    return new Map([...known].map(([policy, { violations }]) => [policy, violations]));
  }

  /** @returns the same object if nothing changed; undefined if there are no violations */
  #findOf(policy: string, { regions, namespaces }: Governing, input: ViolationInput): KnownViolations | undefined {
    const allowed = this.#sets.of(regions);
    const strays = namespaces.map((namespace) => this.#strays.find(input.podsIn(namespace), input.nodes, allowed));
    // Holds for most policies in every reconcile.
    if (strays.every(({ count }) => count === 0)) return undefined;
    const before = this.#known.get(policy);
    const isRestored = input.restored !== undefined && input.restored.size > 0;
    if (!isRestored && before !== undefined && sameItems(before.strays, strays) && sameItems(before.namespaces, namespaces)) return before;
    const times = { before: before === undefined ? NO_TIMES : sinceById(policy, before.violations), input };
    const found = namespaces.flatMap((namespace, index) => violationsIn(namespace, strays[index], { policy, ...times }));
    const count = found.reduce((sum, { count: some }) => sum + some, 0);
    const named = firstOf(found);
    return { namespaces, strays, violations: { count, namespaces: found, samples: named.map(({ violation }) => violation) }, named };
  }
}

const NO_TIMES: FirstSeenTimes = new Map();

interface Origin {
  readonly policy: string;
  /** {@link Violation.since} of the violations named before. */
  readonly before: FirstSeenTimes;
  readonly input: ViolationInput;
}

const idOf = (policy: string, { metadata: { uid, namespace, name } }: Pod): string => `${policy}|${uid ?? `${namespace}/${name}`}`;

const sinceById = (policy: string, { namespaces }: PolicyViolations): FirstSeenTimes =>
  new Map(namespaces.flatMap(({ first }) => first.map(({ pod, violation }) => [idOf(policy, pod), violation.since] as const)));

const violationsIn = (
  namespace: string,
  strays: StrayPods | undefined,
  { policy, before, input }: Origin,
): readonly NamespaceViolations[] => {
  if (strays === undefined || strays.count === 0) return [];
  const first = strays.first.map(({ pod, finding }): FoundViolation => {
    const id = idOf(policy, pod);
    const since = earlier(before.get(id), input.restored?.get(id)) ?? input.now.toISOString();
    return { pod, violation: { kind: 'Pod', namespace, name: pod.metadata.name, ...finding, since } };
  });
  return [{ namespace, count: strays.count, first }];
};

const firstOf = (namespaces: readonly NamespaceViolations[]): readonly FoundViolation[] => {
  const named: FoundViolation[] = [];
  for (const { first } of namespaces) {
    if (named.length === MAX_SAMPLES) break;
    named.push(...first.slice(0, MAX_SAMPLES - named.length));
  }
  return named;
};

const timesOf = (known: ReadonlyMap<string, KnownViolations>): FirstSeenTimes =>
  new Map([...known].flatMap(([policy, { named }]) => named.map(({ pod, violation }) => [idOf(policy, pod), violation.since] as const)));

const earlier = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? (a ?? b) : a < b ? a : b;
