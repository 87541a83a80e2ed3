import { writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';

export const percentile = (times: readonly number[], share: number): number =>
  [...times].sort((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;

export const milliseconds = (ms: number): string => `${ms.toFixed(2)} ms`;

export const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;

export const mib = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;

/**
 * Formats a figure with its target. No benchmark fails because of a time, since a busy machine is
 * not a defect.
 */
export const besideAim = (figure: string, aim: string): string => `${figure} (aim ${aim})`;

/** Formats the median and the 99th percentile of times. */
export const halfAndMost = (times: readonly number[]): string =>
  `${seconds(percentile(times, 0.5))}, 99 %: ${seconds(percentile(times, 0.99))}`;

/** Prints a title and a table of two columns. */
export const printRows = (title: string, rows: Readonly<Record<string, string | number>>): void => {
  console.log(title);
  for (const [what, figure] of Object.entries(rows)) console.log(`  ${what.padEnd(64)} ${figure}`);
};

/**
 * Writes figures and the machine that they were measured on. @param file path; if undefined, writes
 * nothing
 */
export const writeFigures = async (file: string | undefined, figures: object): Promise<void> => {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  if (file !== undefined) await writeFile(file, `${JSON.stringify({ machine, ...figures }, undefined, 2)}\n`);
};
