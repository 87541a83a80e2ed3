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

/**
 * Returns the command lines of processes that name a folder in their arguments, without this
 * process.
 */
export const processesOf = (folder: string): string[] =>
  readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .map(commandLine)
    .filter((text) => text.includes(folder));

/** Finds the processes of a test run by the value of {@link RUN_VARIABLE} in their environment. */
export const findByRun = (run: string): ProcessRecord[] => findByEnvironment(`${RUN_VARIABLE}=${run}`);

/**
 * Time for programs to end after their tests: ten times the seconds that they have to write their
 * data.
 */
const PATIENCE_MS = 60_000;
const POLL_MS = 100;

/**
 * Waits until every process of a test run has ended, and kills the remaining ones.
 *
 * @param run value of {@link RUN_VARIABLE} that they were started with
 * @returns command lines of the killed processes
 */
export const endLeftProcesses = async (run: string, patienceMs = PATIENCE_MS): Promise<string[]> => {
  const deadline = performance.now() + patienceMs;
  while (findByRun(run).length > 0 && performance.now() < deadline) await delay(POLL_MS);
  const stayed = findByRun(run);
  const lines = stayed.map(({ pid }) => `${pid} ${commandLine(String(pid))}`);
  await endProcesses(stayed, 'SIGKILL');
  return lines;
};
