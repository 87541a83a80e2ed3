import type { Baseline } from '@fso/shared/status';
import { type Frame, type FrameContext, logLimited } from '../frame-handlers.ts';

/**
 * Whether this hub knows a list. A failed lookup counts as unknown, and is no fault of the agent.
 */
const isKnown = async (digest: string, context: FrameContext): Promise<boolean> => {
  try {
    return await context.deps.ledger.knowsList(digest, context.cluster);
  } catch (err) {
    logLimited(context, 'warn', { err, list: digest }, 'a list cannot be looked up');
    return false;
  }
};

/**
 * Looks up the list that a report is about, so that the ledger has it in memory: another hub may
 * have compiled it.
 */
export const lookUpList = async (baseline: Baseline | null, context: FrameContext): Promise<void> => {
  if (baseline !== null) await isKnown(baseline.list, context);
};

/**
 * Asks the agent in its turn which policies are in the list of its baseline, if this hub does not
 * know that list: an agent of another version may compile another list from the same commit. An
 * agent that does not answer in its turn is asked again.
 */
export const askForList = async (baseline: Baseline | null, context: FrameContext): Promise<void> => {
  const { state, budget, listing } = context;
  const { lists } = state;
  lists.unknown = baseline === null || (await isKnown(baseline.list, context)) ? undefined : baseline.list;
  const { unknown, asked, isOverdue } = lists;
  if (unknown === undefined || (unknown === asked && !isOverdue) || listing.isWaiting || !budget.mayAskForList()) return;
  listing.take(
    () => {
      askUnlessKnown(context).catch(() => listing.end());
    },
    () => {
      lists.isOverdue = lists.isOpen;
    },
  );
};

const askUnlessKnown = async (context: FrameContext): Promise<void> => {
  const { state, listing, send } = context;
  const { lists } = state;
  const { unknown } = lists;
  // Another agent may have named its policies meanwhile.
  if (unknown === undefined || (await isKnown(unknown, context))) return listing.end();
  lists.asked = unknown;
  lists.isOpen = true;
  lists.isOverdue = false;
  send({ type: 'list', list: unknown });
};

/** Takes the policies of a list that the agent was asked for; ignores others. */
export const takeListed = async ({ list, policies }: Frame<'listed'>, context: FrameContext): Promise<void> => {
  const { state, budget, deps, listing } = context;
  const { lists } = state;
  if (!lists.isOpen || list !== lists.asked) return;
  lists.isOpen = false;
  lists.isOverdue = false;
  const isTaken = await budget.metered(() => deps.ledger.addList(list, policies));
  // Ended only after the list is added, as the next agent may have the same one.
  listing.end();
  if (!isTaken) {
    logLimited(context, 'warn', { list }, 'policies of a list do not have its digest');
    budget.strikes.add();
    return;
  }
  lists.asked = undefined;
};
