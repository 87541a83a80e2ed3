import { type ApiHarness, fillLedger, startApiHarness } from '../../serve/testing/api-harness.ts';
import type { Io } from '../command-line.ts';
import { createProgram, run } from '../program.ts';

/** Exit code and output of a run. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface RecordOptions {
  readonly env?: Readonly<NodeJS.ProcessEnv>;
  /** Text on standard input. */
  readonly input?: string | undefined;
  /** Called with all of the standard error output so far. */
  readonly onProgress?: (err: string) => void;
}

/** Streams of a command that keep what it writes; no terminals. */
export const recordIo = ({ env = {}, input = '', onProgress }: RecordOptions) => {
  const text = { out: '', err: '' };
  const write = (stream: keyof typeof text, chunk: string): void => {
    text[stream] += chunk;
    if (stream === 'err') onProgress?.(text.err);
  };
  const stdin = (async function* () {
    yield input;
  })();
  const io: Io = { env, stdin, stdout: { write: (chunk) => write('out', chunk) }, stderr: { write: (chunk) => write('err', chunk) } };
  return { io, text };
};

/** Runs the `fso` command in this process, with nothing else in its environment, for tests. */
export const runFso = async (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  onProgress: (err: string) => void = () => undefined,
  input?: string,
): Promise<Outcome> => {
  const { io, text } = recordIo({ env, input, onProgress });
  const code = await run(createProgram('', io), ['fso', ...args]);
  return { code, ...text };
};

/** The API with the fleet of {@link fillLedger}. */
export const startFilledApi = async (config: Parameters<typeof startApiHarness>[0] = {}): Promise<ApiHarness> => {
  const server = await startApiHarness(config);
  await fillLedger(server.ledger);
  return server;
};

/** Runs `fso` against a server. */
export const fso = (server: ApiHarness, ...args: string[]): Promise<Outcome> => runFso(args, { FSO_SERVER: server.url });
