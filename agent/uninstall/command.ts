import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { createKubeClient } from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { UninstallError, uninstall } from './uninstall.ts';

const USAGE = `fso-agent uninstall: removes all enforcement from the cluster of KUBECONFIG, with the rights of its caller

Usage: fso-agent uninstall [--yes] [--dry-run] [--wait SECONDS]

  --yes           does not ask; needed without a terminal
  --dry-run       lists what it would do, and does nothing
  --wait SECONDS  how long to wait for a running agent to report to its hub and to end (default: 60, in which another
                  replica can take over from one that vanished); 0: no agent runs

It can be interrupted, and run again. Policies, their CRDs, the agent's namespace and labels of namespaces stay.

Exit status: 0 removed, or nothing was left; 1 not removed, or not all of it; 2 usage, connection or access error
`;

/**
 * Default of `--wait`, in seconds. Longer than the agents' default lease (FSO_LEASE_DURATION_MS)
 * and the time in which a new leader reaches its hub.
 */
const DEFAULT_WAIT_S = '60';

interface CommandContext {
  readonly kubeconfig: string | undefined;
  readonly version: string;
}

interface Arguments {
  readonly help: boolean;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly waitMs: number;
}

/**
 * Runs `fso-agent uninstall`.
 *
 * @param args arguments after the command's name
 * @returns the exit status
 */
export const runUninstall = async (args: readonly string[], context: CommandContext, signal: AbortSignal): Promise<number> => {
  const parsed = parse(args);
  if (typeof parsed === 'string') return fail(parsed, 2);
  if (parsed.help) return say(USAGE);
  const { yes, dryRun, waitMs } = parsed;
  if (!yes && !dryRun && !process.stdin.isTTY) return fail('there is no terminal to ask on: confirm with --yes', 2);
  const confirm = (question: string): Promise<boolean> => (yes ? Promise.resolve(true) : ask(question, signal));
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  try {
    const client = createKubeClient({ kubeconfig: context.kubeconfig, userAgent: `fso-agent-uninstall/${context.version}` });
    try {
      await uninstall({ dryRun, waitMs }, { client, clock: systemClock, print, confirm }, signal);
    } finally {
      await client.close();
    }
    return 0;
  } catch (error) {
    if (signal.aborted) return fail('interrupted: run it again to go on', 1);
    return fail((error as Error).message, error instanceof UninstallError ? 1 : 2);
  }
};

const parse = (args: readonly string[]): Arguments | string => {
  const options = {
    help: { type: 'boolean', short: 'h', default: false },
    yes: { type: 'boolean', short: 'y', default: false },
    'dry-run': { type: 'boolean', default: false },
    wait: { type: 'string', default: DEFAULT_WAIT_S },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (!/^\d{1,5}$/.test(values.wait)) return '--wait takes a number of seconds';
    return { help: values.help, yes: values.yes, dryRun: values['dry-run'], waitMs: Number(values.wait) * 1000 };
  } catch (error) {
    return (error as Error).message;
  }
};

const say = (text: string): number => {
  process.stdout.write(text);
  return 0;
};

const fail = (text: string, status: number): number => {
  process.stderr.write(`fso-agent uninstall: ${text}\n`);
  return status;
};

const ask = async (question: string, signal: AbortSignal): Promise<boolean> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `, { signal })).trim());
  } finally {
    terminal.close();
  }
};
