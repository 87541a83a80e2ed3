import type { PolicyRisks } from '@fso/shared/api';
import type { NodeFacts } from '@fso/shared/risk';
import { sameItems } from '@fso/shared/runtime';
import type { Governance, PolicyOutcome } from '../enforce/index.ts';
import type { TemplateAnswer } from '../probe/index.ts';
import { type DeniedNamespace, deniedNamespace, regionsByOutcome } from './denied-namespace.ts';
import { judgedOwners, judgeOwners, type ShapeSource, type Targets, targetsOf } from './judge-namespace.ts';
import type { OwnerSet } from './owners/owner-cache.ts';
import { type FoundRisk, type NamespaceRisks, sumRisks } from './sum-risks.ts';

/** Facts that risks depend on, at one moment. */
export interface RiskInput {
  readonly governance: Pick<Governance, 'namespaces' | 'policies'>;
  /** Owners of a namespace: the same object while they are unchanged. */
  ownersIn(namespace: string): OwnerSet;
  /** Facts of nodes: the same object while the same pods fit on the same nodes. */
  readonly nodes: readonly NodeFacts[];
  /** Whether the API server injects placements in namespaces that ask for it. */
  readonly injects: boolean;
  /** Fingerprint of the webhooks that may change pods. */
  readonly webhooks: string;
  /** Time of these facts, monotonic. */
  readonly nowMs: number;
}

/** Dry runs of template pods. */
export interface DryRuns {
  /** Replaces the templates of a namespace that are probed, by key. */
  expect(namespace: string, targets: Targets): void;
  /** Result of a dry run; undefined if there is none yet. */
  answer(target: string): TemplateAnswer | undefined;
  /** Identity of the answers in a namespace: the same object while they are unchanged. */
  answersIn(namespace: string): object;
}

/** Shapes of past pods. */
export interface SeenShapes {
  in(namespace: string): ShapeSource;
  /** Identity of the shapes in a namespace: the same object while they are unchanged. */
  versionIn(namespace: string): object;
}

/** Current knowledge of all risks. */
export interface FoundRisks {
  /**
   * Risks by policy; policies that deny nothing are absent. `recent`: not judged yet, and earlier
   * judgements no longer count.
   */
  readonly policies: ReadonlyMap<string, PolicyRisks | 'recent'>;
  /** Number of policies whose risks are `recent`. */
  readonly recent: number;
  /** Number of owners that are not judged. */
  readonly unjudged: number;
}

/** Inputs of the risks in a namespace, compared by identity. */
interface Inputs {
  /** Rules in force. A change of rules invalidates earlier judgements. */
  readonly rules: readonly unknown[];
  /** Facts that the rules apply to. They change all the time. */
  readonly facts: readonly unknown[];
}

/** Namespace to judge. */
interface DueNamespace {
  readonly denied: DeniedNamespace;
  readonly owners: OwnerSet;
  readonly inputs: Inputs;
}

interface KnownNamespace {
  readonly inputs: Inputs;
  /** Last time at which the inputs were current, monotonic. */
  atMs: number;
  readonly policies: readonly string[];
  readonly risks: NamespaceRisks;
  readonly targets: Targets;
}

interface KnownPolicy {
  readonly outcome: PolicyOutcome;
  /** undefined: the policy denies nothing. */
  readonly risks: PolicyRisks | undefined;
}

/**
 * Time for which risks still count after their inputs changed, in ms. Otherwise a tenant that
 * writes owners all the time would make the risks of others unknown.
 */
export const MAX_AGE_MS = 30_000;
/** Time of a result that no longer counts. */
const NEVER = Number.NEGATIVE_INFINITY;

const isSame = (a: Inputs | undefined, b: Inputs): boolean => a !== undefined && sameItems(a.rules, b.rules) && sameItems(a.facts, b.facts);

/**
 * Finds the owners whose next pods would be refused or stay pending. Results are kept by namespace
 * while their inputs are unchanged. Judging works in steps, so that no reconcile waits for it.
 */
export class RiskFinder {
  readonly #dryRuns: DryRuns;
  readonly #shapes: SeenShapes;
  #input: RiskInput | undefined;
  readonly #namespaces = new Map<string, KnownNamespace>();
  readonly #policies = new Map<string, KnownPolicy>();
  /** Namespaces to judge. */
  readonly #due = new Map<string, DueNamespace>();
  /** Policies to sum up, with the time of their last sum. */
  readonly #unsummed = new Map<string, number>();

  constructor(dryRuns: DryRuns, shapes: SeenShapes) {
    this.#dryRuns = dryRuns;
    this.#shapes = shapes;
  }

  /** Owners of a namespace whose next pods would be refused, as last judged. */
  refusedOwnersIn(namespace: string): readonly FoundRisk[] {
    return this.#namespaces.get(namespace)?.risks.refused ?? [];
  }

  /** Takes the current facts and enqueues namespaces and policies whose inputs changed. */
  update(input: RiskInput): void {
    this.#input = input;
    this.#updateNamespaces(input);
    const { policies } = input.governance;
    for (const policy of this.#policies.keys()) if (!policies.has(policy)) this.#policies.delete(policy);
    for (const [policy, outcome] of policies) if (this.#policies.get(policy)?.outcome !== outcome) this.#unsummed.set(policy, NEVER);
  }

  #updateNamespaces(input: RiskInput): void {
    const { namespaces, policies } = input.governance;
    const regionsOf = regionsByOutcome(policies);
    for (const [namespace, governance] of namespaces) {
      const denied = deniedNamespace(governance, regionsOf, input.injects);
      if (denied === undefined) this.#forget(namespace);
      else this.#enqueue(governance, denied, input);
    }
    for (const namespace of [...this.#namespaces.keys(), ...this.#due.keys()]) if (!namespaces.has(namespace)) this.#forget(namespace);
  }

  #enqueue(governance: object, denied: DeniedNamespace, input: RiskInput): void {
    const { namespace } = denied;
    const owners = input.ownersIn(namespace);
    const answers = this.#dryRuns.answersIn(namespace);
    const shapes = this.#shapes.versionIn(namespace);
    const rules = [governance, input.injects, input.webhooks, ...denied.regions];
    const inputs = { rules, facts: [owners, shapes, input.nodes, answers] };
    const known = this.#namespaces.get(namespace);
    if (known !== undefined && isSame(known.inputs, inputs)) {
      known.atMs = input.nowMs;
      this.#due.delete(namespace);
    } else if (!isSame(this.#due.get(namespace)?.inputs, inputs)) this.#due.set(namespace, { denied, owners, inputs });
  }

  #forget(namespace: string): void {
    this.#due.delete(namespace);
    const known = this.#namespaces.get(namespace);
    if (known === undefined) return;
    this.#namespaces.delete(namespace);
    this.#dryRuns.expect(namespace, NO_TARGETS);
    for (const policy of known.policies) this.#unsummed.set(policy, NEVER);
  }

  /** Whether everything is judged as of the last {@link update}. */
  get isDone(): boolean {
    return this.#due.size === 0 && this.#unsummed.size === 0;
  }

  /**
   * Judges what is due, one owner or one sum per step. A namespace that changes meanwhile is judged
   * again after the others.
   */
  *judge(): Generator<void> {
    for (const [namespace, due] of [...this.#due]) {
      if (this.#due.get(namespace) !== due) continue;
      const before = this.#namespaces.get(namespace);
      const known = yield* this.#judgeNamespace(due, before?.targets ?? NO_TARGETS);
      this.#record(due, known, before);
    }
    for (const policy of [...this.#unsummed.keys()]) {
      this.#sum(policy);
      yield;
    }
  }

  /** @param before previous result for the namespace */
  #record(due: DueNamespace, known: KnownNamespace, before: KnownNamespace | undefined): void {
    const { namespace } = due.denied;
    const next = this.#due.get(namespace);
    // No policy governs it any more.
    if (next === undefined) return;
    this.#namespaces.set(namespace, known);
    if (next === due) this.#due.delete(namespace);
    const isByTheSame = before !== undefined && sameItems(before.inputs.rules, known.inputs.rules);
    const atMs = isByTheSame ? before.atMs : NEVER;
    for (const policy of [...known.policies, ...(before?.policies ?? [])])
      this.#unsummed.set(policy, Math.min(atMs, this.#unsummed.get(policy) ?? atMs));
  }

  *#judgeNamespace(due: DueNamespace, before: Targets): Generator<void, KnownNamespace> {
    const { denied, owners, inputs } = due;
    const { nodes = [], injects = false, webhooks = '', nowMs: atMs = NEVER } = this.#input ?? {};
    const { namespace, deny } = denied;
    const input = { denied, nodes, injects, answer: (key: string) => this.#dryRuns.answer(key) };
    const judged = judgedOwners(owners, this.#shapes.in(namespace));
    yield;
    const targets = yield* targetsOf(input, judged.owners, { webhooks, before });
    // Skipped if no policy governs the namespace any more.
    if (this.#due.has(namespace)) this.#dryRuns.expect(namespace, targets);
    return { inputs, atMs, policies: deny.policies, risks: yield* judgeOwners(input, judged), targets };
  }

  #sum(policy: string): void {
    this.#unsummed.delete(policy);
    const outcome = this.#input?.governance.policies.get(policy);
    if (outcome === undefined) return;
    const namespaces = outcome.kind === 'governing' ? outcome.namespaces : [];
    const parts = namespaces
      .map((namespace) => this.#namespaces.get(namespace)?.risks.policies.get(policy))
      .filter((part) => part !== undefined);
    this.#policies.set(policy, { outcome, risks: parts.length === 0 ? undefined : sumRisks(parts) });
  }

  /** Returns the current knowledge. @param nowMs monotonic */
  found(nowMs: number): FoundRisks {
    const unknown = this.#unknown(nowMs - MAX_AGE_MS);
    const policies = new Map<string, PolicyRisks | 'recent'>();
    for (const policy of unknown) policies.set(policy, 'recent');
    for (const [policy, { risks }] of this.#policies) if (risks !== undefined && !unknown.has(policy)) policies.set(policy, risks);
    const unjudged = [...this.#namespaces.values()].reduce((sum, { risks }) => sum + risks.unjudged, 0);
    return { policies, recent: unknown.size, unjudged };
  }

  /**
   * Policies whose results no longer count.
   *
   * @param sinceMs earliest time of a result that still counts
   */
  #unknown(sinceMs: number): ReadonlySet<string> {
    const unknown = new Set<string>();
    for (const [policy, atMs] of this.#unsummed) if (atMs <= sinceMs) unknown.add(policy);
    for (const [namespace, { denied, inputs }] of this.#due) {
      const known = this.#namespaces.get(namespace);
      const counts = known !== undefined && known.atMs > sinceMs && sameItems(known.inputs.rules, inputs.rules);
      if (!counts) for (const policy of denied.deny.policies) unknown.add(policy);
    }
    return unknown;
  }
}

const NO_TARGETS: Targets = new Map();
