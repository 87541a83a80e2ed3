import { type AnsweredPreview, MAX_PREVIEWED_POLICIES, type RiskClass } from '@fso/shared/api';
import { byText } from '@fso/shared/encoding';
import type { NodeFacts } from '@fso/shared/risk';
import { truncate } from '@fso/shared/runtime';
import {
  type FoundRisk,
  type JudgeInput,
  judgedOwners,
  judgeOwner,
  judgeUnder,
  judgingCost,
  type OwnerCache,
  type OwnerJudgement,
  type OwnerTemplates,
  type ShapeRecorder,
} from '../risk/index.ts';
import type { ChangedNamespace } from './changed-namespace.ts';
import { ClassTally } from './class-tally.ts';
import type { Steps } from './question.ts';
import { findStrayOwners, type PodSource, type StrayOwner } from './stray-owners.ts';

/** Owners, pods and nodes against which a preview judges. */
export interface Workloads extends Omit<PodSource, 'withoutRegions'>, Pick<JudgeInput, 'injects' | 'answer'> {
  readonly owners: Pick<OwnerCache, 'ownersIn' | 'leftOut'>;
  readonly shapes: Pick<ShapeRecorder, 'in'>;
  readonly facts: readonly NodeFacts[];
}

/** Stray owner with the facts to report. */
interface NamedStray extends StrayOwner {
  readonly namespace: string;
  readonly fix: string;
  readonly policies: readonly string[];
}

const NOT_AT_RISK: OwnerJudgement = {};
const MAX_REASON = 512;
const RESTART = 'restart its pods: the next ones run inside';

const firstPolicies = (policies: readonly string[]): string[] => policies.toSorted(byText).slice(0, MAX_PREVIEWED_POLICIES);

const nameRisk = ({ risk: { risk: _class, confirmation: _now, ...owner }, policies }: FoundRisk) => ({
  ...owner,
  policies: firstPolicies(policies),
});

const nameStray = ({ kind, namespace, name, reason, fix, after, policies }: NamedStray) => ({
  ...{ kind, namespace, name, reason: truncate(reason, MAX_REASON), fix, pods: after },
  policies: firstPolicies(policies),
});

const inClass = ({ found }: OwnerJudgement, risk: RiskClass): FoundRisk | undefined => (found?.risk.risk === risk ? found : undefined);

const costOf = (input: JudgeInput | undefined, owner: OwnerTemplates): number => (input === undefined ? 0 : judgingCost(input, owner));

/**
 * Counts the effects of a change on the workloads of namespaces, one owner or a few pods per step.
 */
export class WorkloadEffects {
  readonly #workloads: Workloads;
  readonly #withoutRegions: ReadonlySet<string>;
  readonly #nodesBefore: readonly NodeFacts[];
  readonly #nodesAfter: readonly NodeFacts[];
  readonly #lookedAt = { namespaces: 0, owners: 0, pods: 0 };
  readonly #refused = new ClassTally(nameRisk);
  readonly #pending = new ClassTally(nameRisk);
  readonly #outside = new ClassTally(nameStray);
  #omitted = 0;

  constructor(workloads: Workloads, withoutRegions: readonly string[]) {
    this.#workloads = workloads;
    this.#withoutRegions = new Set(withoutRegions);
    // Copies, so that memos keyed by these arrays are released with the preview.
    this.#nodesBefore = [...workloads.facts];
    this.#nodesAfter = workloads.facts.filter(({ region }) => region === undefined || !this.#withoutRegions.has(region));
  }

  /** Whether the change removes nodes. */
  get losesNodes(): boolean {
    return this.#nodesAfter.length < this.#nodesBefore.length;
  }

  *count(changed: ChangedNamespace): Steps<void> {
    const { owners, shapes } = this.#workloads;
    const { namespace } = changed;
    this.#lookedAt.namespaces += 1;
    const judged = judgedOwners(owners.ownersIn(namespace), shapes.in(namespace));
    this.#omitted += judged.omitted + (owners.leftOut.get(namespace) ?? 0);
    yield 1 + judged.owners.length;
    const [before, after] = [this.#inputOf(changed.before, this.#nodesBefore), this.#inputOf(changed.after, this.#nodesAfter)];
    const fixes = new Map<string, string>();
    for (const owner of judged.owners) {
      yield 1 + costOf(before, owner);
      const now = before === undefined ? NOT_AT_RISK : judgeOwner(before, owner);
      yield costOf(after, owner);
      const then = after === undefined ? NOT_AT_RISK : judgeUnder(after, before, owner);
      this.#addOwner(now, then);
      if (then.found !== undefined) fixes.set(`${owner.kind}/${owner.owner.metadata.name}`, then.found.risk.fix);
    }
    yield* this.#countPods(changed, fixes);
  }

  #inputOf(denied: ChangedNamespace['before'], nodes: readonly NodeFacts[]): JudgeInput | undefined {
    const { injects, answer } = this.#workloads;
    return denied && { denied, nodes, injects, answer };
  }

  #addOwner(now: OwnerJudgement, then: OwnerJudgement): void {
    this.#lookedAt.owners += 1;
    if (now.isUnjudged === true || then.isUnjudged === true) this.#omitted += 1;
    const refused = inClass(now, 'Refused');
    this.#refused.add(refused, inClass(then, 'Refused'));
    this.#pending.add(inClass(now, 'Pending'), inClass(then, 'Pending'), refused !== undefined);
  }

  *#countPods(changed: ChangedNamespace, fixes: ReadonlyMap<string, string>): Steps<void> {
    const { namespace, after } = changed;
    const strays = yield* findStrayOwners(changed, { ...this.#workloads, withoutRegions: this.#withoutRegions });
    this.#lookedAt.pods += strays.running;
    const sorted = strays.owners.toSorted((a, b) => byText(`${a.kind}/${a.name}`, `${b.kind}/${b.name}`));
    for (const owner of sorted) {
      const fix = fixes.get(`${owner.kind}/${owner.name}`) ?? RESTART;
      const named = { ...owner, namespace, fix, policies: after?.deny.policies ?? [] };
      this.#outside.add(owner.now > 0 ? named : undefined, owner.after > 0 ? named : undefined);
    }
  }

  /** @param withNames whether to name the owners */
  result(withNames: boolean): Omit<AnsweredPreview, 'state' | 'observedAt'> {
    return {
      lookedAt: { ...this.#lookedAt },
      omitted: this.#omitted,
      outside: this.#outside.result(withNames),
      refused: this.#refused.result(withNames),
      pending: this.#pending.result(withNames),
    };
  }
}
