import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@fso/shared/text';
import nodeSettings from '../../node-settings.json' with { type: 'json' };
import { runMark, tail } from '../processes.ts';

/** Program of this repository that runs as a separate process. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Ends the process and waits for it; SIGKILL after 5 s. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** @throws Error with the end of the log if the process has ended */
  assertRunning(): void;
}

/** Program to start, and the file that gets its output. */
export interface ProgramOptions {
  readonly name: string;
  /** Path of a .ts file, and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** Path of the Node.js that runs it; default: that of this process. */
  readonly node?: string;
}

const KILL_AFTER_MS = 5000;
const POLL_MS = 20;
/** Timeout that only guards against hanging: ten times the slowest wait on an idle machine. */
const GIVE_UP_MS = 600_000;

/** Preloaded module that ends the program when this process ends, even if it is killed. */
const EXIT_WITH_PARENT = new URL('exit-with-parent.mjs', import.meta.url).href;

/** Error of a wait for a program that has ended. */
export class ProgramEnded extends Error {
  override readonly name = 'ProgramEnded';
}

const exited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const INHERITED = ['PATH', 'HOME', 'NODE_COMPILE_CACHE'];

const inherited = (): Record<string, string> =>
  Object.fromEntries(INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));

/** Starts a program of this repository, which ends with the process that started it. */
export function startProgram(options: ProgramOptions): Program {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const child = spawn(options.node ?? process.execPath, ['--import', EXIT_WITH_PARENT, ...options.command], {
    // Only the named variables: a KUBECONFIG of the user must not leak into an agent.
    env: { ...inherited(), ...nodeSettings, ...runMark(), ...options.env },
    // Nothing is written to its input. The program ends when it is closed, because this process has
    // then ended.
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  const done = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return {
    name: options.name,
    pid: child.pid ?? 0,
    stop: async (signal = 'SIGTERM') => {
      if (exited(child)) return;
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
      await done;
      clearTimeout(timer);
    },
    assertRunning: () => {
      if (exited(child))
        throw new ProgramEnded(`${options.name} ended (${child.signalCode ?? child.exitCode}):\n${tail(options.logFile, 8)}`);
    },
  };
}

/**
 * Polls until `probe` returns a value. Fails at once if a program has ended.
 *
 * @throws Error with `what` and the last error of `probe`, after ten minutes
 */
export async function until<T>(what: string, probe: () => Promise<T | undefined>, signal: AbortSignal): Promise<T> {
  const deadline = performance.now() + GIVE_UP_MS;
  let last = '';
  while (performance.now() <= deadline) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      if (error instanceof ProgramEnded) throw error;
      last = `: ${messageOf(error)}`;
    }
    await delay(POLL_MS, undefined, { signal });
  }
  throw new Error(`not within ${GIVE_UP_MS / 1000} s: ${what}${last}`);
}
