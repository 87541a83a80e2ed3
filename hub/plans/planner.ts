import type { RoleGrant } from '@fso/shared/api';
import { type Plan, planResult } from '@fso/shared/effects';
import { type Clock, createRateLimit } from '@fso/shared/runtime';
import type { FleetState } from '../ledger/index.ts';
import type { Comparison } from './compare.ts';
import { type CompareLimits, compareOnThread } from './compare-on-thread.ts';
import { type PlanRefusal, refusePlan } from './read-request.ts';
import { askAgents, joinAnswers, type PreviewingAgents } from './workloads.ts';

interface PlannerParts {
  readonly ledger: Pick<FleetState, 'desired' | 'source'>;
  readonly agents: PreviewingAgents;
  readonly clock: Clock;
  readonly limits?: CompareLimits;
}

/** A plan, or why there is none, with what the audit log may say of it. */
export type AuditedPlan = ({ readonly ok: true; readonly plan: Plan } | PlanRefusal) & {
  /** SHA-256 (hex) of the request; undefined: it was not read. */
  readonly digest: string | undefined;
};

/**
 * Plans of one caller: this many at once, then that many an hour. Agents answer 30 questions an
 * hour, and others keep some.
 */
const PLANS = { burst: 20, perSecond: 20 / 3600, addresses: 10_000 };

/**
 * Plans what a change of policies does, to every possible pod and to what runs. Nothing of a
 * request outlives it.
 */
export class Planner {
  /** Whether a caller may make one more plan, which counts from then on. */
  readonly mayPlan: (caller: string) => boolean;
  readonly #parts: PlannerParts;
  readonly #grants: readonly RoleGrant[] | undefined;

  /** @param grants what its callers see; undefined: everything */
  constructor(parts: PlannerParts, grants?: readonly RoleGrant[], mayPlan = createRateLimit(parts.clock, PLANS)) {
    this.#parts = parts;
    this.#grants = grants;
    this.mayPlan = mayPlan;
  }

  /** Planner for callers who see what grants select. It counts with this one. */
  within(grants: readonly RoleGrant[]): Planner {
    return new Planner(this.#parts, grants, this.mayPlan);
  }

  /**
   * @param body JSON of a `PlanRequest`; is given away
   * @throws the signal's reason, and what the ledger throws
   */
  async plan(body: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<AuditedPlan> {
    const { ledger, clock, limits } = this.#parts;
    const now = clock.now();
    const [desired, source] = await Promise.all([ledger.desired(), ledger.source()]);
    if (desired === null) return { ...refusePlan('The hub has no commit in force to compare with yet.'), digest: undefined };
    const input = { body, before: desired.set, nowMs: now.getTime(), grants: this.#grants };
    const compared = await compareOnThread(input, { clock, signal, ...(limits && { limits }) });
    if (!compared.ok) return { digest: undefined, ...compared };
    const before = { source: source?.ref ?? desired.revision, revision: desired.revision, at: now.toISOString() };
    return { ok: true, digest: compared.digest, plan: await this.#complete(compared, before, signal) };
  }

  async #complete(
    { effects, options, questions, notAsked }: Comparison,
    before: Pick<Plan['before'], 'source' | 'revision' | 'at'>,
    signal: AbortSignal,
  ): Promise<Plan> {
    const { at = before.at, withoutClusters, withoutRegions } = options;
    const removed = { withoutClusters: [...withoutClusters], withoutRegions: [...withoutRegions] };
    const { agents, clock } = this.#parts;
    const workloads = joinAnswers(await askAgents(questions, agents, { clock, signal }), notAsked);
    return {
      version: 1,
      result: planResult(effects, workloads),
      before: { ...before, withoutClusters: [], withoutRegions: [] },
      after: { source: 'files', revision: null, at: new Date(at).toISOString(), ...removed },
      workloads,
      ...effects,
    };
  }
}
