import { REGION_LABEL, type Violation } from '@fso/shared/api';
import type { Node } from '@fso/shared/kube';
import { decideResidency, type PodPlacement } from '@fso/shared/residency';
import { dropOldest, truncate, weakMemo, weakMemo2 } from '@fso/shared/runtime';
import type { NodesByName, Pod } from '../cache/index.ts';
import type { Governance } from '../enforce/index.ts';
import type { FirstSeenTimes } from './violation-times.ts';

export const MAX_SAMPLES = 20;

/** A pod that violates a policy. */
export interface FoundViolation {
  readonly pod: Pod;
  readonly violation: Violation;
}

export interface PolicyViolations {
  /** Complete. */
  readonly count: number;
  /** Complete, by namespace and name. */
  readonly found: readonly FoundViolation[];
  /** The first {@link MAX_SAMPLES} of them. */
  readonly samples: readonly Violation[];
}

export const NO_VIOLATIONS: PolicyViolations = { count: 0, found: [], samples: [] };

interface Finding {
  readonly reason: string;
  readonly node?: string;
  readonly region?: string;
}

export interface ViolationInput {
  readonly governance: Pick<Governance, 'policies'>;
  /** The same object for as long as the pods of the namespace are the same. */
  podsIn(namespace: string): Iterable<Pod>;
  /** The same object for as long as their regions are the same. */
  readonly nodes: NodesByName;
  /** When violations were first seen by an agent before this one, see violation-times.ts. */
  readonly restored?: FirstSeenTimes;
  readonly now: Date;
}

/** The API server takes a region of any length in a pod's affinity. */
const MAX_REASON = 2048;

const FINISHED = new Set(['Succeeded', 'Failed']);

/** Whether a pod has ended: it runs nowhere any more, and violates nothing. */
export const isFinished = ({ status }: Pod): boolean => FINISHED.has(status?.phase ?? '');

const judgeRunning = (nodeName: string, node: Node | undefined, allowed: readonly string[]): Finding | undefined => {
  if (node === undefined) return { reason: `runs on node ${nodeName}, which is not known`, node: nodeName };
  const region = node.metadata.labels?.[REGION_LABEL];
  if (region === undefined) return { reason: `runs on node ${nodeName}, which has no region`, node: nodeName };
  if (allowed.includes(region)) return undefined;
  return { reason: `runs on node ${nodeName} in ${region}, which is not an allowed region`, node: nodeName, region };
};

interface StrayPod {
  readonly pod: Pod;
  readonly finding: Finding;
}

/**
 * Finds the pods that stand outside of the regions of the policies that govern them, or may be scheduled outside.
 *
 * A pod that is bound is judged by its node: it cannot move any more. A pod that is not is judged by what it asks for;
 * that part is remembered by pod object and region list, so that a round over many unchanged pods is cheap.
 */
export class ViolationFinder {
  /** By pods and nodes; then by region list. */
  readonly #strays = weakMemo2((_pods: Iterable<Pod>, _nodes: NodesByName) => new Map<string, readonly StrayPod[]>());
  readonly #decisions = new WeakMap<Pod, { regions: string; finding: Finding | undefined }[]>();
  /** When a violation was first seen, by policy and pod. */
  #since: FirstSeenTimes = new Map();
  #reported: FirstSeenTimes = new Map();

  /** {@link Violation.since} of the samples that were found last. */
  get reported(): FirstSeenTimes {
    return this.#reported;
  }

  /** @returns by policy; those without violations are absent */
  find(input: ViolationInput): ReadonlyMap<string, PolicyViolations> {
    const round = { since: new Map<string, string>(), reported: new Map<string, string>() };
    const result = new Map<string, PolicyViolations>();
    for (const [policy, outcome] of input.governance.policies) {
      const violations = outcome.kind === 'governing' ? this.#findOf(policy, outcome, input, round) : NO_VIOLATIONS;
      if (violations !== NO_VIOLATIONS) result.set(policy, violations);
    }
    this.#since = round.since;
    this.#reported = round.reported;
    return result;
  }

  #findOf(
    policy: string,
    { regions, namespaces }: { readonly regions: readonly string[]; readonly namespaces: readonly string[] },
    input: ViolationInput,
    round: { readonly since: Map<string, string>; readonly reported: Map<string, string> },
  ): PolicyViolations {
    let found: (FoundViolation & { readonly id: string })[] | undefined;
    for (const namespace of namespaces) {
      for (const { pod, finding } of this.#strayIn(namespace, regions, input)) {
        const id = `${policy}|${pod.metadata.uid ?? `${namespace}/${pod.metadata.name}`}`;
        const since = earlier(this.#since.get(id), input.restored?.get(id)) ?? input.now.toISOString();
        round.since.set(id, since);
        found ??= [];
        found.push({ id, pod, violation: { kind: 'Pod', namespace, name: pod.metadata.name, ...finding, since } });
      }
    }
    // Most policies have none, in every round.
    if (found === undefined) return NO_VIOLATIONS;
    found.sort(({ violation: a }, { violation: b }) => compare(a.namespace, b.namespace) || compare(a.name, b.name));
    const samples = found.slice(0, MAX_SAMPLES);
    for (const { id, violation } of samples) round.reported.set(id, violation.since);
    return { count: found.length, found, samples: samples.map(({ violation }) => violation) };
  }

  /** Judged once for as long as pods and nodes are the same, so that a round over thousands of pods is cheap. */
  #strayIn(namespace: string, regions: readonly string[], { podsIn, nodes }: ViolationInput): readonly StrayPod[] {
    const pods = podsIn(namespace);
    const known = this.#strays(pods, nodes);
    const cacheKey = textOf(regions);
    const before = known.get(cacheKey);
    if (before !== undefined) return before;
    const found = [...pods].flatMap((pod) => {
      const finding = this.#judge(pod, regions, cacheKey, nodes);
      return finding === undefined ? [] : { pod, finding };
    });
    known.set(cacheKey, found);
    dropOldest(known, REMEMBERED);
    return found;
  }

  #judge(pod: Pod, regions: readonly string[], cacheKey: string, nodes: NodesByName): Finding | undefined {
    if (isFinished(pod)) return undefined;
    const nodeName = pod.spec.nodeName;
    if (nodeName) return judgeRunning(nodeName, nodes.get(nodeName), regions);
    const known = this.#decisions.get(pod) ?? [];
    const hit = known.find((entry) => entry.regions === cacheKey);
    if (hit !== undefined) return hit.finding;
    const decision = decideResidency(placementOf(pod), regions);
    const finding = decision.admitted ? undefined : { reason: truncate(`may be scheduled outside: ${decision.violation}`, MAX_REASON) };
    this.#decisions.set(pod, [...known.slice(1 - REMEMBERED), { regions: cacheKey, finding }]);
    return finding;
  }
}

/** Decisions that are kept of one pod or namespace, by region list: lists come and go while the pods stay. */
export const REMEMBERED = 4;

export const placementOf = (pod: Pod): PodPlacement =>
  pod.metadata.ownerReferences === undefined ? pod.spec : { ...pod.spec, ownerReferences: pod.metadata.ownerReferences };

/** The regions of an outcome are the same list as long as they are the same. */
const textOf = weakMemo((regions: readonly string[]) => regions.join(','));

const earlier = (a: string | undefined, b: string | undefined): string | undefined =>
  a === undefined || b === undefined ? (a ?? b) : a < b ? a : b;

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
