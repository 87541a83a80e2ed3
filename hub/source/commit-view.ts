import type { CommitView } from '@fso/shared/api';
import { ACCEPT_EFFECTS, PlanId } from '@fso/shared/effects';
import { type GitCommit, trailersOf } from '@fso/shared/git';

const LAST_SECOND = 253_402_300_799;

const timeOf = (who: string): string => {
  const seconds = Number(/ (\d{1,12}) [+-]\d{4}$/.exec(who)?.[1] ?? 0);
  return new Date(Math.min(seconds, LAST_SECOND) * 1000).toISOString();
};

/** The stored plans that messages of commits name; a text that is no id names none. */
const plansIn = (messages: readonly string[]): readonly string[] =>
  messages.flatMap((message) => PlanId.safeParse(trailersOf(message).findLast(({ key }) => key === ACCEPT_EFFECTS)?.value).data ?? []);

/**
 * A commit as people are shown it.
 *
 * @param merged messages of the commits that it merges
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

/**
 * Takes secrets out of a URL.
 *
 * @returns the URL of a repository for people, without what may be a secret
 */
export const redact = (url: string): string => {
  const parsed = new URL(url);
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
};
