import { writeFile } from 'node:fs/promises';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { printable } from '../render/text.ts';

export interface ReportOptions {
  readonly output: 'csv' | 'json' | 'html';
  readonly out?: string;
}

/** `fso report issues` */
export const reportIssues = async (context: Context, { output, out }: ReportOptions): Promise<void> => {
  const text = await (await context.connect()).issueReport(output);
  const whole = text.endsWith('\n') ? text : `${text}\n`;
  if (out === undefined) return context.out(printable(whole));
  await writeFile(out, whole).catch((error: Error) => {
    throw new CliError(`cannot write ${out}: ${error.message}`);
  });
};
