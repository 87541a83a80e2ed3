import { writeFile } from 'node:fs/promises';
import type { SourceView, StatusView } from '@fso/shared/api';
import { shortRevision } from '@fso/shared/text';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { type Format, renderFacts, writeData } from '../render/output.ts';
import { age, plain, printable } from '../render/text.ts';

const verificationOf = ({ verification }: SourceView): string => {
  const { state, signer, reason } = verification ?? { state: 'unverified' };
  const detail = signer ?? reason;
  return detail === undefined ? state : `${state}: ${detail}`;
};

const sourceFacts = (source: SourceView, now: Date): [string, string][] => {
  const { url, ref, revision, error, lastFetch } = source;
  return [
    ['Repository', url === '' ? 'not read yet' : `${url} (${ref})`],
    [
      'Revision',
      revision === null ? '-' : `${shortRevision(revision.revision)} ${revision.subject} (${revision.author}, ${age(revision.time, now)})`,
    ],
    ...(revision === null ? [] : [['Signature', verificationOf(source)] satisfies [string, string]]),
    ['Fetched', lastFetch === null ? 'never' : `${age(lastFetch, now)} ago`],
    ...(error === null ? [] : [['Not readable', `${error.message} (for ${age(error.since, now)})`] satisfies [string, string]]),
  ];
};

const clustersText = ({ total, connected, notObserved, inSync, proven }: StatusView['clusters']): string => {
  const unknown = notObserved === 0 ? '' : ` (${notObserved} not observed)`;
  return `${total}, ${connected} connected${unknown}, ${inSync} in sync, ${proven} proven`;
};

const fleetFacts = ({ version, clusters, policies, violations }: StatusView): [string, string][] => [
  ['Clusters', clustersText(clusters)],
  [
    'Policies',
    `${policies.total}, ${policies.active} active, ${policies.pending} pending, ${policies.failed} failed, ${policies.expired} expired`,
  ],
  ...(clusters.tampered === 0
    ? []
    : [
        ['Tampered', `${clusters.tampered} ${clusters.tampered === 1 ? 'cluster' : 'clusters'} within the last hour`] satisfies [
          string,
          string,
        ],
      ]),
  ...(clusters.notAllKept === 0
    ? []
    : [
        [
          'Not all kept',
          `policies of ${clusters.notAllKept} ${clusters.notAllKept === 1 ? 'cluster' : 'clusters'}; see fso get clusters`,
        ] satisfies [string, string],
      ]),
  ['Violations', String(violations)],
  ['Hub', version],
];

const writeRejected = (context: Context, { rejected }: SourceView): void => {
  if (rejected === null) return;
  const { commit, problems } = rejected;
  context.out(
    `\n${context.paint('red', 'Refused')}: ${shortRevision(commit.revision)} ${plain(commit.subject)} (${plain(commit.author)})\n`,
  );
  for (const { path, line, column, code, reason } of problems) {
    const place = [path ?? code, line, column].filter((part) => part !== undefined).join(':');
    context.out(`  ${place === '' ? '' : `${plain(place)}: `}${plain(reason)}\n`);
  }
};

/** `fso status` */
export const status = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const view = await (await context.connect()).status();
  if (output === 'json' || output === 'yaml') return writeData(context, output, view);
  context.out(renderFacts([...sourceFacts(view.source, context.now()), ...fleetFacts(view)], context.paint));
  writeRejected(context, view.source);
};

export interface ReportOptions {
  readonly output: 'csv' | 'json' | 'html';
  readonly out?: string;
}

/** `fso report issues` */
export const reportIssues = async (context: Context, { output, out }: ReportOptions): Promise<void> =>
  writeReport(context, await (await context.connect()).issueReport(output), out);

/** `fso report risks` */
export const reportRisks = async (context: Context, { output, out }: { output: 'csv' | 'json'; out?: string }): Promise<void> =>
  writeReport(context, await (await context.connect()).riskReport(output), out);

const writeReport = async (context: Context, text: string, out: string | undefined): Promise<void> => {
  const whole = text.endsWith('\n') ? text : `${text}\n`;
  if (out === undefined) return context.out(printable(whole));
  await writeFile(out, whole).catch((error: Error) => {
    throw new CliError(`cannot write ${out}: ${error.message}`);
  });
};

/** `fso report denials` */
export const reportDenials = async (context: Context, { output, out }: { output: 'csv' | 'json'; out?: string }): Promise<void> =>
  writeReport(context, await (await context.connect()).denialReport(output), out);

/** `fso report processing` */
export const reportProcessing = async (context: Context, { output, out }: { output: 'csv' | 'json'; out?: string }): Promise<void> =>
  writeReport(context, await (await context.connect()).processingReport(output), out);
