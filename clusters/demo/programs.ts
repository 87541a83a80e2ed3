import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '@fso/shared/text';
import nodeSettings from '../../node-settings.json' with { type: 'json' };
import { runMark, tail } from '../processes.ts';

/** A program of this repository that the demo runs as a process of its own. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Ends the process and waits for it; SIGKILL after 5 s. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Throws with the end of its log when the process is gone. */
  assertRunning(): void;
}

/** Program to start, and the file that gets its output. */
export interface ProgramOptions {
  readonly name: string;
  /** A .ts file and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  /** The Node.js that runs it; default: the one of this process. */
  readonly node?: string;
}

const KILL_AFTER_MS = 5000;
const POLL_MS = 20;
/** Guards against hanging alone: ten times what the slowest wait takes on an idle machine. */
const GIVE_UP_MS = 600_000;

/** Ends the program when this process is gone, even if it was killed. */
const EXIT_WITH_PARENT = new URL('exit-with-parent.mjs', import.meta.url).href;

/** Error of a program that has ended, which ends the wait for what it would have done. */
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
    // Nothing but what is named: a KUBECONFIG of the user's must not leak into an agent.
    env: { ...inherited(), ...nodeSettings, ...runMark(), ...options.env },
    // Nothing is ever written to its input: that it closes says that this process is gone.
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
 * Polls until `probe` gives a value. The end of a program is not waited out.
 *
 * @throws Error with `what` and the last error of `probe` after ten minutes
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
