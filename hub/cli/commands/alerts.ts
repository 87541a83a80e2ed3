import type { AlertView, ReceiverView, SilenceView } from '@fso/shared/api';
import type { AlertFilter } from '../client/api-client.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../errors.ts';
import { type Column, type Format, writeData, writeFacts, writeRows } from '../render/output.ts';
import { age, list } from '../render/text.ts';

interface Output {
  readonly output: Format;
}

const labelsOf = ({ labels }: AlertView): string => list(Object.entries(labels).map(([label, text]) => `${label}=${text}`));

const alertColumns = (now: Date): Column<AlertView>[] => [
  { title: 'STATE', value: ({ state }) => state },
  { title: 'SEVERITY', value: ({ severity }) => severity },
  { title: 'NAME', value: ({ name }) => name },
  { title: 'CLUSTER', value: ({ labels }) => labels.cluster ?? '-' },
  { title: 'POLICY', value: ({ labels }) => labels.policy ?? '-' },
  { title: 'TEAM', value: ({ labels }) => labels.team ?? '-' },
  { title: 'SINCE', value: ({ startsAt }) => age(startsAt, now) },
  { title: 'NOTIFIED', value: ({ notified }) => list([...new Set(notified.map(({ receiver }) => receiver))]) },
  { title: 'SUMMARY', value: ({ summary }) => summary },
  { title: 'LABELS', value: labelsOf, wide: true },
  { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint, wide: true },
  { title: 'DETAILS', value: ({ details }) => details, wide: true },
];

const silenceColumns = (now: Date): Column<SilenceView>[] => [
  { title: 'ID', value: ({ id }) => id },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'MATCHERS', value: ({ matchers }) => list(matchers) },
  { title: 'ALERTS', value: ({ alerts }) => String(alerts) },
  { title: 'FROM', value: ({ from }) => from },
  { title: 'UNTIL', value: ({ until }) => until },
  { title: 'AUTHOR', value: ({ author }) => author },
  { title: 'REASON', value: ({ reason }) => reason },
  { title: 'AGE', value: ({ createdAt }) => age(createdAt, now), wide: true },
];

const receiverColumns = (now: Date): Column<ReceiverView>[] => [
  { title: 'NAME', value: ({ name }) => name },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'TARGET', value: ({ target }) => target },
  { title: 'WAITING', value: ({ waiting }) => String(waiting) },
  { title: 'SUCCESS', value: ({ lastSuccess }) => age(lastSuccess, now) },
  { title: 'FAILURE', value: ({ lastFailure }) => age(lastFailure?.time, now) },
  { title: 'REASON', value: ({ lastFailure }) => lastFailure?.reason ?? '-' },
];

/** Options of `fso alerts list`. Resolved alerts are left out unless requested. */
export interface AlertOptions extends Output, AlertFilter {
  readonly query?: string;
  readonly all?: boolean;
}

/** Runs `fso alerts list`. */
export const listAlerts = async (context: Context, { output, all, query, ...filter }: AlertOptions): Promise<void> => {
  const found = await (await context.connect()).alerts({ ...filter, ...(query !== undefined && { q: query }) });
  const shown = all === true || filter.state !== undefined ? found : found.filter(({ state }) => state !== 'resolved');
  await writeRows(context, output, shown, alertColumns(context.now()));
};

/** Options of `fso alerts silence`. */
export interface SilenceOptions extends Output {
  readonly reason: string;
  /** Duration in milliseconds. */
  readonly for?: number;
  readonly from?: string;
  readonly until?: string;
}

const DEFAULT_MS = 2 * 3_600_000;

const endOf = (options: SilenceOptions, now: Date): string => {
  if (options.until !== undefined && options.for !== undefined) throw new CliError('only one of --for and --until may be given');
  if (options.until !== undefined) return options.until;
  const from = options.from === undefined ? now : new Date(options.from);
  return new Date(from.getTime() + (options.for ?? DEFAULT_MS)).toISOString();
};

/** Runs `fso alerts silence`. */
export const silenceAlerts = async (context: Context, matchers: readonly string[], options: SilenceOptions): Promise<void> => {
  const { output, reason, from } = options;
  const wanted = { matchers: [...matchers], reason, until: endOf(options, context.now()), ...(from === undefined ? {} : { from }) };
  const made = await (await context.connect()).createSilence(wanted);
  if (output === 'json' || output === 'yaml') return writeData(context, output, made);
  context.progress(
    `Silence ${made.id} until ${made.until}; it matches ${made.alerts === 1 ? '1 firing alert' : `${made.alerts} firing alerts`} now\n`,
  );
};

/** Runs `fso alerts unsilence`. */
export const unsilence = async (context: Context, id: string): Promise<void> => {
  const ended = await (await context.connect()).endSilence(id);
  context.progress(`Silence ${ended.id} has ended; what still fires is notified\n`);
};

/** Runs `fso alerts silences`. */
export const listSilences = async (context: Context, { output }: Output): Promise<void> => {
  const silences = await (await context.connect()).silences();
  await writeRows(context, output, silences, silenceColumns(context.now()));
};

/** Runs `fso alerts receivers`. */
export const listReceivers = async (context: Context, { output }: Output): Promise<void> => {
  const receivers = await (await context.connect()).receivers();
  await writeRows(context, output, receivers, receiverColumns(context.now()));
};

/** Runs `fso alerts test`. @returns the exit code */
export const testReceiver = async (context: Context, receiver: string, { output }: Output): Promise<number> => {
  const result = await (await context.connect()).testReceiver(receiver);
  if (output === 'json' || output === 'yaml') await writeData(context, output, result);
  else
    writeFacts(context, [
      ['Receiver', result.receiver],
      ['Delivered', result.delivered ? 'yes' : 'no'],
      ['Answer', result.answer === '' ? '-' : result.answer],
      ['Took', `${result.durationMs} ms`],
    ]);
  return result.delivered ? EXIT.ok : EXIT.negative;
};
