import type { CommitView } from '@fso/shared/api';
import { ACCEPT_EFFECTS, PlanId } from '@fso/shared/effects';
import { type GitCommit, trailersOf } from '@fso/shared/git';

const LAST_SECOND = 253_402_300_799;

const timeOf = (who: string): string => {
  const seconds = Number(/ (\d{1,12}) [+-]\d{4}$/.exec(who)?.[1] ?? 0);
  return new Date(Math.min(seconds, LAST_SECOND) * 1000).toISOString();
};

/** Ids of the stored plans that trailers of commit messages name. Other texts are passed over. */
const plansIn = (messages: readonly string[]): readonly string[] =>
  messages.flatMap((message) => PlanId.safeParse(trailersOf(message).findLast(({ key }) => key === ACCEPT_EFFECTS)?.value).data ?? []);

/**
 * Makes the view of a commit.
 *
 * @param merged messages of the commits that it merges, which may name a plan as well
 */
export const commitView = (
  revision: string,
  { author, committer, message }: Pick<GitCommit, 'author' | 'committer' | 'message'>,
  merged: readonly string[] = [],
): CommitView => {
  const [accepts] = plansIn([message, ...merged]);
  return {
    revision,
    author: author.replace(/ \d+ [+-]\d{4}$/, ''),
    subject: message.split('\n', 1)[0] ?? '',
    time: timeOf(committer),
    ...(accepts !== undefined && { accepts }),
  };
};

/** Removes the parts of a URL that may be secret: user, password, query and fragment. */
export const redact = (url: string): string => {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
};
