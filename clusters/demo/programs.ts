import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';

/** A program of this repository that the demo runs as a process of its own. */
export interface Program {
  readonly name: string;
  readonly pid: number;
  /** Ends the process and waits for it; SIGKILL after 5 s. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Throws with the end of its log when the process is gone. */
  assertRunning(): void;
}

export interface ProgramOptions {
  readonly name: string;
  /** A .ts file and its arguments. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

const KILL_AFTER_MS = 5000;

const exited = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const tail = (file: string): string => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-8).join('\n');

export function startProgram(options: ProgramOptions): Program {
  mkdirSync(dirname(options.logFile), { recursive: true });
  const log = openSync(options.logFile, 'a');
  const child = spawn(process.execPath, [...options.command], {
    // Nothing but what is named: a KUBECONFIG of the user's must not leak into an agent.
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...options.env },
    stdio: ['ignore', log, log],
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
      if (exited(child)) throw new Error(`${options.name} ended (${child.signalCode ?? child.exitCode}):\n${tail(options.logFile)}`);
    },
  };
}

/** A port of 127.0.0.1 that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** Polls until `probe` gives a value; the last error or `what` explains a timeout. */
export async function until<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last = '';
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined) return value;
    } catch (error) {
      last = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}${last}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
