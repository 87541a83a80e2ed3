import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type ApiHarness, fillLedger, startApiHarness } from '../../serve/testing/api-harness.ts';

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Compiling the command line again for each run would take half of its time. */
const { NODE_COMPILE_CACHE = '' } = process.env;
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

/** Runs the `fso` command as a process of its own, for tests. */
export const runFso = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onProgress: (err: string) => void = () => undefined,
  input?: string,
): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { NODE_COMPILE_CACHE, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    child.stdin?.end(input);
    const text = { out: '', err: '' };
    child.stdout?.on('data', (chunk: Buffer) => {
      text.out += chunk.toString();
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      text.err += chunk.toString();
      onProgress(text.err);
    });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...text }));
  });

/** The API with the fleet of {@link fillLedger}. */
export const startFilledApi = async (config: Parameters<typeof startApiHarness>[0] = {}): Promise<ApiHarness> => {
  const server = await startApiHarness(config);
  await fillLedger(server.ledger);
  return server;
};

/** Runs `fso` against a server. */
export const fso = (server: ApiHarness, ...args: string[]): Promise<Outcome> => runFso(args, { FSO_SERVER: server.url });
