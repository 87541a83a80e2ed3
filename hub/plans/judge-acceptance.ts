import { type Acceptance, beyondAccepted, PlanId, type StoredEffects } from '@fso/shared/effects';
import { isExpired, planOf, type Stored } from './stored-plans.ts';

/** A plan whose change names a stored plan, to accept its effects. */
interface AcceptingPlan {
  readonly effects: StoredEffects;
  /** Digest of what its caller sees; null if the caller sees everything. */
  readonly scope: string | null;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
}

type State = Acceptance['state'];

/** State that follows without a comparison of effects; undefined if the effects decide. */
const stateOf = (today: AcceptingPlan, stored: Stored, accepted: StoredEffects): State | undefined => {
  if (stored.scope !== today.scope) return 'OtherScope';
  if (isExpired(stored, today.nowMs)) return 'ExpiredPlan';
  if (accepted.options !== today.effects.options) return 'OtherOptions';
  return accepted.base === today.effects.base ? undefined : 'OtherBase';
};

/**
 * Compares a plan with the stored plan that its change names. A caller who sees a part of the fleet
 * gets `UnknownPlan` for plans of another part, so as not to learn that they exist. Pure.
 *
 * @param named id as a commit gives it, not validated
 * @param find finds a stored plan by its id
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
