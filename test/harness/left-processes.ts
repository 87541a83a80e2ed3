import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { endProcesses, findByEnvironment, type ProcessRecord, RUN_VARIABLE } from '../../clusters/processes.ts';

const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return '';
  }
};

/** Command lines of the processes that name a folder in their arguments, without this process. */
export const processesOf = (folder: string): string[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .map(commandLine)
    .filter((text) => text.includes(folder));

/**
 * A program that hears of the end of its tests has some seconds to write what it has; ten times
 * that.
 */
const PATIENCE_MS = 60_000;
const POLL_MS = 100;

/**
 * Waits until every process of a run of the tests is gone, and ends those that stay.
 *
 * @param run value of {@link RUN_VARIABLE} that they were started with
 * @returns command lines of those that stayed
 */
export const endLeftProcesses = async (run: string, patienceMs = PATIENCE_MS): Promise<string[]> => {
  const left = (): ProcessRecord[] => findByEnvironment(`${RUN_VARIABLE}=${run}`);
  const deadline = performance.now() + patienceMs;
  while (left().length > 0 && performance.now() < deadline) await delay(POLL_MS);
  const stayed = left();
  const lines = stayed.map(({ pid }) => `${pid} ${commandLine(String(pid))}`);
  await endProcesses(stayed, 'SIGKILL');
  return lines;
};
