import type { Plan } from '../plan.ts';
import { type Acceptance, PLAN_DAYS } from './acceptance.ts';

/** Texts on the stored plans of a change, which table, Markdown and dashboard share. */

/** Quotes a text that others chose, such as the name of a branch, so that it is only text. */
export type Quote = (text: string) => string;

/** Continuation of `Breaks` if all effects are accepted; otherwise empty. */
export const acceptedText = ({ result, acceptance }: Pick<Plan, 'result' | 'acceptance'>, quote: Quote): string =>
  result !== 'Accepted' || acceptance === null
    ? ''
    : `, accepted by plan ${quote(acceptance.plan ?? '')} of ${quote(acceptance.by ?? '')} at ${acceptance.at}`;

const WHY: Readonly<Record<Exclude<Acceptance['state'], 'Accepted'>, string>> = {
  Beyond: 'its effects go beyond those of the plan',
  NoPlanId: 'Accept-Effects names no plan, whose id has 24 hexadecimal digits',
  NotRead: 'this repository does not have the commit in force, so that no trailer Accept-Effects was read',
  UnknownPlan: 'the hub has no such plan, or not any more',
  ExpiredPlan: `the plan is older than ${PLAN_DAYS} days`,
  OtherScope: 'the plan was made for another part of the fleet',
  OtherBase: 'the plan was made from other policies or registrations of clusters than those in force',
  OtherOptions: 'the plan was made with other options',
};

/**
 * Sentence on why the plan that a change names does not accept its effects; empty if it does, or if
 * the change names none.
 */
export const refusedText = ({ acceptance }: Pick<Plan, 'acceptance'>, quote: Quote): string => {
  if (acceptance === null || acceptance.state === 'Accepted') return '';
  const { state, plan, by, at } = acceptance;
  const made = by === null ? '' : ` of ${quote(by)} at ${at}`;
  return ` Not accepted: ${WHY[state]}${plan === null ? '' : ` (plan ${quote(plan)}${made})`}.`;
};

/** Sentence on how the effects of a plan can be accepted; empty if nothing breaks. */
export const acceptNote = ({ id, result, acceptance, workloads, notLookedAt }: Plan, quote: Quote): string => {
  // The verdict names the plan that accepts it.
  if (result !== 'Breaks') return '';
  if (workloads === null) return 'A plan of a hub alone has an id by which its effects can be accepted.';
  if (id === null) return 'The hub has not stored this plan, so that its effects cannot be accepted.';
  if (acceptance?.state === 'NotRead') return `Stored as plan ${quote(id)}; fetch the commit in force to accept its effects.`;
  const isWhole =
    notLookedAt.length === 0 && workloads.notAnswered.length === 0 && workloads.clusters.every(({ coverage }) => coverage !== 'Part');
  return isWhole
    ? `To accept these effects, add ${quote(`Accept-Effects: ${id}`)} to the commit message.`
    : `Stored as plan ${quote(id)}; effects can be accepted where all is looked at and every cluster has answered.`;
};
