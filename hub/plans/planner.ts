import type { CommitView, RoleGrant } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import {
  type Acceptance,
  type BranchList,
  classesByTeam,
  type Plan,
  type PlannedBranch,
  plannedEffects,
  planResult,
  type StoredEffects,
  type StoredPlan,
  type StoredPlanSummary,
} from '@fso/shared/effects';
import { type Clock, createRateLimit, createYielder, truncate, weakMemo } from '@fso/shared/runtime';
import type { Principal } from '../access/index.ts';
import { type Desired, type FleetState, type KeyedStore, teamsOf } from '../ledger/index.ts';
import { BranchError, type BranchFiles } from '../source/index.ts';
import { type RepositoryBranches, readBranch, refuseBranch, sidesOf, sinceLast, withLastPlans } from './branch-plans.ts';
import type { Comparison } from './compare.ts';
import { type CompareLimits, compareOnThread } from './compare-on-thread.ts';
import { judgeAcceptance } from './judge-acceptance.ts';
import { CommitMatcher, type PlanMatch } from './match/commit-matcher.ts';
import { type PlanRefusal, refusePlan } from './read-request.ts';
import { isExpired, optionsDigest, planOf, type Stored, StoredPlans } from './stored-plans.ts';
import { seesPlan, visibilityOf } from './visible-sides.ts';
import { askAgents, joinAnswers, type PreviewingAgents } from './workloads.ts';

interface PlannerParts {
  readonly ledger: Pick<FleetState, 'desired' | 'source'> & { readonly records: KeyedStore };
  readonly agents: PreviewingAgents;
  readonly branches: RepositoryBranches;
  readonly clock: Clock;
  readonly limits?: CompareLimits;
}

/** A plan or a refusal, with the digest of the request for the audit log. */
export type AuditedPlan = ({ readonly ok: true; readonly plan: Plan } | PlanRefusal) & {
  /** SHA-256 (hex) of the request; undefined if it was refused before it was compared. */
  readonly digest: string | undefined;
};

/**
 * Rate limit of one caller: a burst of 20 plans, then 20 an hour. An agent answers 30 questions an
 * hour, so one caller leaves some of them to others.
 */
const PLANS = { burst: 20, perSecond: 20 / 3600, addresses: 10_000 };

/** The commit in force that a change is compared with, and the branch that it comes from. */
interface PlanBase {
  readonly side: Pick<Plan['before'], 'source' | 'at'> & { readonly revision: string };
  readonly desired: Desired;
  readonly branch: BranchFiles | undefined;
}

/** Longest stored name of a caller, in characters; longer names are cut. */
const MAX_NAME = 128;

/** Longest time that listing plans holds the thread before it yields, in milliseconds. */
const LIST_SLICE_MS = 5;

/**
 * Caches, for each commit in force, whether the callers of a plan's scope see all that it names. A
 * plan names up to 50,000 pairs of cluster and namespace, so each plan is checked once.
 */
const visibilityIn = weakMemo((_commit: PolicySet) => new WeakMap<Stored, boolean>());

/** A stored plan that a caller sees. */
export interface FoundPlan {
  readonly plan: StoredPlan;
  readonly match: PlanMatch;
}

/** Caller that requests a plan; stored with the plan. */
export type PlanCaller = Pick<Principal, 'kind' | 'id' | 'name'>;

/**
 * Predicts what a change of policies does to every possible pod and to running workloads. Stores
 * the effects of a plan that breaks something or comes from a branch, and no text of a request.
 */
export class Planner {
  /** Takes one plan from the rate limit of a caller; false if none is left. */
  readonly mayPlan: (caller: string) => boolean;
  readonly #parts: PlannerParts;
  readonly #grants: readonly RoleGrant[] | undefined;
  readonly #stored: StoredPlans;
  readonly #matcher: CommitMatcher;

  /** @param grants of its callers; undefined if they see everything */
  constructor(parts: PlannerParts, grants?: readonly RoleGrant[], mayPlan = createRateLimit(parts.clock, PLANS)) {
    this.#parts = parts;
    this.#grants = grants;
    this.mayPlan = mayPlan;
    this.#stored = new StoredPlans(parts.ledger.records, parts.clock);
    this.#matcher = new CommitMatcher(grants);
  }

  /** Returns a planner for callers with these grants, which shares the rate limit of this one. */
  within(grants: readonly RoleGrant[]): Planner {
    return new Planner(this.#parts, grants, this.mayPlan);
  }

  /**
   * Plans the change that a request describes.
   *
   * @param body JSON of a `PlanRequest`; its buffer is transferred to another thread
   * @throws the signal's reason, or an error of the ledger
   */
  async plan(body: Uint8Array<ArrayBuffer>, caller: PlanCaller, signal: AbortSignal): Promise<AuditedPlan> {
    const { ledger, branches, clock, limits } = this.#parts;
    const now = clock.now();
    const [desired, source] = await Promise.all([ledger.desired(), ledger.source()]);
    if (desired === null) return { ...refusePlan('The hub has no commit in force to compare with yet.'), digest: undefined };
    const branch = await readBranch(body, desired.revision, { branches, grants: this.#grants, signal });
    if (branch !== undefined && 'ok' in branch) return { ...branch, digest: undefined };
    const input = { body, ofBranch: branch?.files, before: desired.set, nowMs: now.getTime(), grants: this.#grants };
    const compared = await compareOnThread(input, { clock, signal, ...(limits && { limits }) });
    // Problems may name any file of the branch, so callers who see a part of the fleet get none.
    if (!compared.ok) return { digest: undefined, ...compared, ...(branch && this.#grants && { problems: [] }) };
    const side = { source: source?.ref ?? desired.revision, revision: desired.revision, at: now.toISOString() };
    return { ok: true, digest: compared.digest, plan: await this.#complete(compared, { side, desired, branch }, { caller, signal }) };
  }

  /** Lists the branches other than the followed one, with their last plans, or refuses to. */
  async branches(): Promise<{ readonly ok: true; readonly list: BranchList } | PlanRefusal> {
    try {
      const listed = await this.#parts.branches.list();
      return { ok: true, list: withLastPlans(listed, this.#stored, { scope: this.#matcher.scope, isSeen: await this.#planFilter() }) };
    } catch (error) {
      if (!(error instanceof BranchError)) throw error;
      return refuseBranch(error, this.#grants);
    }
  }

  /** Lists the stored plans that the caller may see, newest first. */
  async list(): Promise<readonly StoredPlanSummary[]> {
    const isSeen = await this.#planFilter();
    const seen: StoredPlanSummary[] = [];
    const yieldIfDue = createYielder(LIST_SLICE_MS);
    for (const stored of this.#stored.list()) {
      await yieldIfDue();
      if (isSeen(stored)) seen.push(stored.summary);
    }
    return seen;
  }

  /**
   * Finds a stored plan, and compares it with the commit in force. Undefined if there is none, it
   * has expired, or the caller may not see it.
   */
  async stored(id: string): Promise<FoundPlan | undefined> {
    const { ledger, clock } = this.#parts;
    const nowMs = clock.now().getTime();
    const stored = this.#stored.get(id);
    if (stored === null || isExpired(stored, nowMs) || !(await this.#planFilter())(stored)) return undefined;
    const plan = planOf(stored);
    return plan === null ? undefined : { plan, match: await this.#matcher.match(stored, plan, { ledger, nowMs }) };
  }

  /**
   * Finds the id of the stored plan that predicted a commit. If the commit is in force, this is the
   * newest plan that it fulfils; otherwise the plan that its trailer names. Null if the caller sees
   * no such plan.
   */
  async planOfCommit({ revision, accepts = '' }: Pick<CommitView, 'revision' | 'accepts'>): Promise<string | null> {
    const [desired, isSeen] = [await this.#parts.ledger.desired(), await this.#planFilter()];
    const stored = this.#stored.list();
    const yieldIfDue = createYielder(LIST_SLICE_MS);
    for (const each of desired?.revision === revision ? stored : []) {
      await yieldIfDue();
      if (desired !== null && this.#matcher.matches(desired.set, each) && isSeen(each)) return each.summary.id;
    }
    return stored.find((each) => each.summary.id === accepts && isSeen(each))?.summary.id ?? null;
  }

  /**
   * Returns a check whether the caller may see a stored plan: it was made for the caller's scope,
   * and the caller sees every cluster and namespace that it names.
   */
  async #planFilter(): Promise<(stored: Stored) => boolean> {
    const grants = this.#grants;
    if (grants === undefined) return () => true;
    const desired = await this.#parts.ledger.desired();
    if (desired === null) return () => false;
    const { scope } = this.#matcher;
    const visibility = visibilityOf(grants, desired.set);
    const known = visibilityIn(desired.set);
    return (stored) => {
      if (stored.scope !== scope) return false;
      const last = known.get(stored);
      if (last !== undefined) return last;
      const plan = planOf(stored);
      const isSeen = plan !== null && seesPlan(visibility, plan);
      known.set(stored, isSeen);
      return isSeen;
    };
  }

  /**
   * Stores a plan, unless a stored plan accepts its effects.
   *
   * @returns the id of the stored or the accepting plan; null if the plan is too large to store
   */
  async #store(acceptance: Acceptance | null, plan: Parameters<StoredPlans['add']>): Promise<string | null> {
    if (acceptance?.state !== 'Accepted' || acceptance.plan === null) return await this.#stored.add(...plan);
    await this.#stored.noteAccepted(acceptance.plan);
    return acceptance.plan;
  }

  /** Describes the branch of a change, with what has changed since its last plan. */
  async #ofBranch(branch: BranchFiles | undefined, today: StoredEffects): Promise<PlannedBranch | null> {
    if (branch === undefined) return null;
    const { name, ahead, behind } = branch;
    return { ahead, behind, since: sinceLast(this.#stored, name, today, { scope: this.#matcher.scope, isSeen: await this.#planFilter() }) };
  }

  /** Asks the agents, compares the plan with the stored plan that it names, and stores it. */
  async #complete(
    compared: Comparison,
    { side: before, desired, branch }: PlanBase,
    { caller, signal }: { readonly caller: PlanCaller; readonly signal: AbortSignal },
  ): Promise<Plan> {
    const { effects, waves, options, questions, notAsked, accept } = compared;
    const { at = before.at, withoutClusters, withoutRegions } = options;
    const removed = { withoutClusters: [...withoutClusters], withoutRegions: [...withoutRegions] };
    const { agents, clock } = this.#parts;
    const joined = joinAnswers(await askAgents(questions, agents, { clock, signal }), notAsked);
    const teams = teamsOf(desired);
    const workloads = { ...joined, teams: [...classesByTeam(joined.clusters, (policy) => teams.get(policy))] };
    const result = planResult(effects, workloads);
    const { scope } = this.#matcher;
    const { base, after, change, patterns } = compared;
    // No commit brings about another time or lost nodes: such plans are not matched with commits.
    const isOfCommit = options.at === undefined && withoutClusters.length + withoutRegions.length === 0;
    const stored = {
      ...plannedEffects(effects, { workloads, patterns }),
      ...{ base, change, ...(isOfCommit && { after }) },
      options: optionsDigest(options),
    };
    const today = { effects: stored, scope, nowMs: clock.now().getTime() };
    // Other results need no acceptance, or are incomplete and cannot be accepted.
    const acceptance = accept === undefined || result !== 'Breaks' ? null : judgeAcceptance(accept, today, (id) => this.#stored.get(id));
    const sides = sidesOf(branch);
    const ofBranch = await this.#ofBranch(branch, stored);
    const { source, revision } = before;
    const summary = { at: before.at, by: truncate(caller.name, MAX_NAME), result, source, revision, ...sides.stored };
    const isStored = result === 'Breaks' || branch !== undefined;
    return {
      version: 1,
      id: isStored ? await this.#store(acceptance, [summary, stored, { caller: `${caller.kind}:${caller.id}`, scope }]) : null,
      result: acceptance?.state === 'Accepted' ? 'Accepted' : result,
      acceptance,
      before: { ...before, withoutClusters: [], withoutRegions: [] },
      after: { ...sides.after, at: new Date(at).toISOString(), ...removed },
      waves,
      branch: ofBranch,
      workloads,
      ...effects,
    };
  }
}
