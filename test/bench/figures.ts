import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';

export const percentile = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

/** Prints a title and a table of two columns. */
export const printRows = (title: string, rows: Readonly<Record<string, string | number>>): void => {
  console.log(title);
  for (const [what, figure] of Object.entries(rows)) console.log(`  ${what.padEnd(56)} ${figure}`);
};

/** Writes figures with the machine that they are of. @param file none: nothing is written */
export const writeFigures = async (file: string | undefined, figures: object): Promise<void> => {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  if (file !== undefined) await writeFile(file, `${JSON.stringify({ machine, ...figures }, undefined, 2)}\n`);
};
