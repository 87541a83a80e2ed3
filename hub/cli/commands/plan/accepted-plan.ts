import { MAX_PLAN_ID } from '@fso/shared/effects';
import { trailersOf } from '@fso/shared/git';
import { shortRevision } from '@fso/shared/text';
import type { HubClient } from '../../client/api-client.ts';
import type { Context } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { messagesBetween } from '../policy-files/git-commits.ts';

/** Trailer of a commit that names the stored plan whose effects it accepts. */
const TRAILER = 'accept-effects';

/**
 * Reads the trailer `Accept-Effects` of the commits of a change, of which the newest one counts. It
 * may be any text.
 *
 * @returns undefined: there is none, or the repository does not have the commit in force, so that
 * the commits of the change are not known
 * @throws HubError, CliError
 */
export const readAcceptedPlan = async (
  { io, progress }: Context,
  client: HubClient,
  { folder, ref }: { readonly folder: string; readonly ref: string },
): Promise<string | undefined> => {
  const { revision } = await client.source();
  if (revision === null) return undefined;
  try {
    const messages = messagesBetween(folder, revision.revision, ref, io.env);
    const named = messages.flatMap((message) => trailersOf(message).findLast(({ key }) => key === TRAILER) ?? []);
    return named[0]?.value.slice(0, MAX_PLAN_ID);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    progress(`This repository does not have the commit in force, ${shortRevision(revision.revision)}: no Accept-Effects is looked for.\n`);
    return undefined;
  }
};
