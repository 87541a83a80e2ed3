import type { CommitActivity, ProblemView } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { after, clusterStepColumns } from '../render/commit-columns.ts';
import { type Format, writeData } from '../render/output.ts';
import { renderFacts, renderTable } from '../render/table.ts';
import { list, plain } from '../render/text.ts';

const FULL_ID = 40;
const MAX_COMMITS = 200;

const placeOf = ({ path, line, reason }: ProblemView): string => (path === undefined ? reason : `${path}:${line ?? 1}: ${reason}`);

const writeCommit = (context: Context, activity: CommitActivity): void => {
  const { commit, state, noticed, enforced, hub, changes, problems, clusterSteps } = activity;
  const facts: [string, string][] = [
    ['Revision', commit.revision],
    ['Subject', commit.subject],
    ['Author', commit.author],
    ['State', state],
    ['Noticed', noticed],
    ...(['fetched', 'judged', 'compiled', 'released'] as const).map((step): [string, string] => [step, after(noticed, hub[step])]),
    ['Enforced', after(noticed, enforced)],
    ['Added', list(changes.added)],
    ['Changed', list(changes.changed)],
    ['Removed', list(changes.removed)],
  ];
  context.out(renderFacts(facts, context.paint));
  for (const problem of problems) context.out(`${plain(placeOf(problem))}\n`);
  if (clusterSteps.length > 0) context.out(`\n${renderTable(clusterStepColumns(noticed), clusterSteps, context.paint)}`);
};

/** `fso get commit`. @param given commit id, or the beginning of one that the hub remembers */
export const getCommit = async (context: Context, given: string, output: Format): Promise<void> => {
  const hub = await context.connect();
  let revision = given;
  if (given.length < FULL_ID) {
    const found = (await hub.commits({ limit: MAX_COMMITS })).find(({ commit }) => commit.revision.startsWith(given));
    if (found === undefined) throw new CliError(`the hub remembers no commit ${given}`, EXIT.no);
    ({ revision } = found.commit);
  }
  const activity = await hub.commit(revision);
  if (output === 'json' || output === 'yaml') return writeData(context, output, activity);
  writeCommit(context, activity);
};
