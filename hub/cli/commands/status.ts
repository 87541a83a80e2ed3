import { writeFile } from 'node:fs/promises';
import type { SourceView, StatusView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { type Facts, type Format, writeData, writeFacts } from '../render/output.ts';
import { age, printable, withoutControls } from '../render/text.ts';

const verificationOf = ({ verification }: SourceView): string => {
  const { state, signer, reason } = verification ?? { state: 'unverified' };
  const detail = signer ?? reason;
  return detail === undefined ? state : `${state}: ${detail}`;
};

const sourceFacts = (source: SourceView, now: Date): Facts => {
  const { url, ref, revision, error, lastFetch } = source;
  return [
    ['Repository', url === '' ? 'not read yet' : `${url} (${ref})`],
    [
      'Revision',
      revision === null ? '-' : `${shortRevision(revision.revision)} ${revision.subject} (${revision.author}, ${age(revision.time, now)})`,
    ],
    ['Signature', revision === null ? undefined : verificationOf(source)],
    ['Fetched', lastFetch === null ? 'never' : `${age(lastFetch, now)} ago`],
    ['Not readable', error === null ? undefined : `${error.message} (for ${age(error.since, now)})`],
  ];
};

const clustersText = ({ total, connected, notObserved, inSync, proven }: StatusView['clusters']): string => {
  const unknown = notObserved === 0 ? '' : ` (${notObserved} not observed)`;
  return `${total}, ${connected} connected${unknown}, ${inSync} in sync, ${proven} proven`;
};

const countText = (clusters: number): string => (clusters === 1 ? '1 cluster' : `${clusters} clusters`);

const fleetFacts = ({ version, clusters, policies, violations }: StatusView): Facts => [
  ['Clusters', clustersText(clusters)],
  [
    'Policies',
    `${policies.total}, ${policies.active} active, ${policies.pending} pending, ${policies.failed} failed, ${policies.expired} expired`,
  ],
  ['Tampered', clusters.tampered === 0 ? undefined : `${countText(clusters.tampered)} within the last hour`],
  ['Not all kept', clusters.notAllKept === 0 ? undefined : `policies of ${countText(clusters.notAllKept)}; see fso get clusters`],
  ['Violations', String(violations)],
  ['Hub', version],
];

const writeRejected = (context: Context, { rejected }: SourceView): void => {
  if (rejected === null) return;
  const { commit, problems } = rejected;
  context.out(
    `\n${context.paint('red', 'Refused')}: ${shortRevision(commit.revision)} ${withoutControls(commit.subject)} (${withoutControls(commit.author)})\n`,
  );
  for (const { path, line, column, code, reason } of problems) {
    const place = [path ?? code, line, column].filter((part) => part !== undefined).join(':');
    context.out(`  ${place === '' ? '' : `${withoutControls(place)}: `}${withoutControls(reason)}\n`);
  }
};

/** Runs `fso status`. */
export const status = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const view = await (await context.connect()).status();
  if (output === 'json' || output === 'yaml') return writeData(context, output, view);
  writeFacts(context, [...sourceFacts(view.source, context.now()), ...fleetFacts(view)]);
  writeRejected(context, view.source);
};

/** Options of `fso report`. */
export interface ReportOptions {
  readonly output: string;
  readonly out?: string;
}

/** Creates `fso report` for one kind. */
export const report =
  (kind: 'risks' | 'denials' | 'processing' | 'issues') =>
  async (context: Context, { output, out }: ReportOptions): Promise<void> => {
    const text = await (await context.connect()).report(kind, output);
    const whole = text.endsWith('\n') ? text : `${text}\n`;
    if (out === undefined) return context.out(printable(whole));
    await writeFile(out, whole).catch((error: Error) => {
      throw new CliError(`cannot write ${out}: ${error.message}`);
    });
  };
