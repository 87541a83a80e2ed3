import { ACCEPT_EFFECTS, MAX_PLAN_ID } from '@fso/shared/effects';
import { trailersOf } from '@fso/shared/git';
import type { HubClient } from '../../client/api-client.ts';
import type { Context } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { commitAt, messagesBetween } from '../policy-files/git-commits.ts';

const hasCommit = (folder: string, revision: string, env: NodeJS.ProcessEnv): boolean => {
  try {
    return commitAt(folder, revision, env) !== '';
  } catch (error) {
    if (error instanceof CliError) return false;
    throw error;
  }
};

/**
 * Reads the trailer `Accept-Effects` from the commits of a change; the newest one counts. It may be
 * any text.
 *
 * @returns undefined: there is none. null: the local repository lacks the hub's current commit, so
 * the commits of the change are unknown
 * @throws HubError, CliError
 */
export const readAcceptedPlan = async (
  { io }: Context,
  client: HubClient,
  { folder, ref }: { readonly folder: string; readonly ref: string },
): Promise<string | null | undefined> => {
  const { revision } = await client.source();
  if (revision === null) return undefined;
  if (!hasCommit(folder, revision.revision, io.env)) return null;
  const messages = messagesBetween(folder, revision.revision, ref, io.env);
  const named = messages.flatMap((message) => trailersOf(message).findLast(({ key }) => key === ACCEPT_EFFECTS) ?? []);
  return named[0]?.value.slice(0, MAX_PLAN_ID);
};
