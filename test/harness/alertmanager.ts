import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { freePort } from '../../clusters/local/ports.ts';
import { runMark } from '../../clusters/processes.ts';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import { eventually } from './waiting.ts';

/**
 * Alertmanager with its API and store, but without its web pages, which its Go module does not
 * contain.
 */
const ALERTMANAGER_TOOL: ToolModule = {
  name: 'alertmanager',
  dir: join(import.meta.dirname, 'alertmanager'),
  upstream: 'github.com/prometheus/alertmanager',
  package: '.',
  programs: ['alertmanager'],
  sources: ['main.go'],
};

/** Alert as Alertmanager lists it. */
export interface ListedAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL?: string;
}

export interface TestAlertmanager {
  readonly url: string;
  /** Returns the firing alerts. */
  alerts(): Promise<readonly ListedAlert[]>;
  stop(): Promise<void>;
}

export const startAlertmanager = async (signal: AbortSignal): Promise<TestAlertmanager> => {
  const { alertmanager: folder = '' } = await ensureTools({ env: process.env, log: () => undefined, modules: [ALERTMANAGER_TOOL] }, signal);
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(join(folder, 'alertmanager'), [address], { stdio: 'ignore', env: runMark() });
  const ended = once(child, 'exit');
  const url = `http://${address}`;
  const alerts = async (): Promise<readonly ListedAlert[]> =>
    (await fetch(`${url}/api/v2/alerts`)).json() as Promise<readonly ListedAlert[]>;
  await eventually(async () => (await alerts()).length === 0);
  return {
    url,
    alerts,
    stop: async () => {
      child.kill();
      await ended;
    },
  };
};
