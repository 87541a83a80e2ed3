import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Identity of a process, which a later process with the same pid does not match. */
export interface ProcessRecord {
  readonly pid: number;
  /** Start time as reported by the system; only compared, never parsed. */
  readonly startTime: string;
}

/**
 * Variable in the environment of every process of a cluster, with the cluster's folder. It
 * identifies processes without a record, which were started just before their parent died.
 */
export const CLUSTER_DIR_VARIABLE = 'FSO_CLUSTER_DIR';

/**
 * Variable with the test run that a process belongs to. At its end, the run finds the processes
 * that it left.
 */
export const RUN_VARIABLE = 'FSO_TEST_RUN';

/** Returns the variables to set in the environment of a process that inherits no others. */
export const runMark = (): Record<string, string> => {
  const run = process.env[RUN_VARIABLE];
  return run === undefined ? {} : { [RUN_VARIABLE]: run };
};

const POLL_MS = 20;

/**
 * Parses fields 3, 20 and 22 of /proc/<pid>/stat (proc_pid_stat(5)). The second field may contain
 * spaces and brackets. A process whose first thread has ended is no zombie yet: its other threads
 * still hold its ports and files.
 */
export function parseStat(stat: string): { startTime: string; zombie: boolean } {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ended = fields[0] === 'Z' || fields[0] === 'X';
  return { startTime: fields[19] ?? '', zombie: ended && Number(fields[17]) <= 1 };
}

function linuxStartTime(pid: number): string | undefined {
  try {
    const { startTime, zombie } = parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return zombie ? undefined : startTime;
  } catch {
    return undefined;
  }
}

function otherStartTime(pid: number): string | undefined {
  try {
    const [state = '', ...started] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/);
    return state.startsWith('Z') ? undefined : started.join(' ');
  } catch {
    return undefined;
  }
}

/**
 * Reads the start time of a process, which distinguishes processes with the same pid.
 *
 * @returns undefined if there is no such process, or only its exit status is left
 */
export const startTimeOf = (pid: number): string | undefined => (process.platform === 'linux' ? linuxStartTime(pid) : otherStartTime(pid));

/** Whether a recorded process still runs. A later process with its pid does not count. */
export const isAlive = (record: ProcessRecord): boolean => startTimeOf(record.pid) === record.startTime;

/** Process to start in the background, and the file that gets its output. */
export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/**
 * Starts a process in a new session: neither a Ctrl-C in the terminal nor the end of its parent
 * ends it. Appends its output to the log file.
 */
export async function spawnDetached(options: SpawnOptions): Promise<ProcessRecord> {
  const log = openSync(options.logFile, 'a');
  try {
    const child = spawn(options.command, options.args, { detached: true, stdio: ['ignore', log, log], env: options.env });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid ?? 0;
    // Already ended: no process has an empty start time.
    return { pid, startTime: startTimeOf(pid) ?? '' };
  } finally {
    closeSync(log);
  }
}

function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): void {
  try {
    if (isAlive(record)) process.kill(record.pid, signal);
  } catch (error) {
    // The process ended between the check and the signal.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function endedWithin(records: readonly ProcessRecord[], timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (records.some(isAlive)) {
    if (performance.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * Ends processes, and returns when they have ended. Those that ignore the signal are killed after
 * `graceMs`.
 */
export async function endProcesses(records: readonly ProcessRecord[], signal: NodeJS.Signals, graceMs = 5000): Promise<void> {
  for (const record of records) signalProcess(record, signal);
  if (await endedWithin(records, graceMs)) return;
  for (const record of records) signalProcess(record, 'SIGKILL');
  if (await endedWithin(records, graceMs)) return;
  const left = records.filter(isAlive).map(({ pid }) => pid);
  throw new Error(`processes ${left.join(', ')} do not end, not even by SIGKILL; look at them with: ps -fp ${left.join(',')}`);
}

function isMarked(pid: number, marker: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(marker);
  } catch {
    // Process of another user, or one that has just ended.
    return false;
  }
}

/** Finds the processes with the cluster's folder in their environment. */
export const findMarked = (clusterDir: string): ProcessRecord[] => findByEnvironment(`${CLUSTER_DIR_VARIABLE}=${clusterDir}`);

/**
 * Finds the processes with `NAME=value` in their initial environment. Works on Linux only; other
 * systems rely on the records.
 */
export function findByEnvironment(marker: string): ProcessRecord[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && isMarked(pid, marker))
    .flatMap((pid) => {
      const startTime = startTimeOf(pid);
      return startTime === undefined ? [] : [{ pid, startTime }];
    });
}

/** Returns the last lines of a log file, for an error message. */
export function tail(file: string, lines = 12): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '(no log)';
  }
}
