import { type Acceptance, beyondAccepted, PlanId, type StoredEffects } from '@fso/shared/effects';
import { isExpired, planOf, type Stored } from './stored-plans.ts';

/** A plan that names a stored one, whose effects may be accepted. */
interface AcceptingPlan {
  readonly effects: StoredEffects;
  /** Digest of what its caller sees; null: everything. */
  readonly scope: string | null;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

type State = Acceptance['state'];

/** The state of a comparison that needs no look at effects; undefined: they decide. */
const stateOf = (today: AcceptingPlan, stored: Stored, accepted: StoredEffects): State | undefined => {
  if (stored.scope !== today.scope) return 'OtherScope';
  if (isExpired(stored, today.nowMs)) return 'ExpiredPlan';
  if (accepted.options !== today.effects.options) return 'OtherOptions';
  return accepted.base === today.effects.base ? undefined : 'OtherBase';
};

/**
 * Compares a plan with the stored one that its change names. Pure. Callers who see a part of the
 * fleet do not learn of plans that were made for another one.
 *
 * @param named text of a commit
 * @param find looks a stored plan up by its id
 */
export const judgeAcceptance = (named: string, today: AcceptingPlan, find: (id: string) => Stored | null): Acceptance => {
  const nothing = { by: null, at: null, beyond: [] };
  if (!PlanId.safeParse(named).success) return { state: 'NoPlanId', plan: null, ...nothing };
  const stored = find(named);
  const accepted = stored && planOf(stored);
  if (stored === null || accepted === null || (today.scope !== null && stored.scope !== today.scope))
    return { state: 'UnknownPlan', plan: named, ...nothing };
  const made = { plan: named, by: stored.summary.by, at: stored.summary.at };
  const state = stateOf(today, stored, accepted);
  if (state !== undefined) return { state, ...made, beyond: [] };
  const beyond = [...beyondAccepted(today.effects, accepted)];
  return { state: beyond.length === 0 ? 'Accepted' : 'Beyond', ...made, beyond };
};
