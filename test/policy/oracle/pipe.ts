import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ToolModule } from '../../../clusters/toolchain/modules.ts';
import type { Log } from '../../../clusters/toolchain/progress.ts';
import { ensureTools } from '../../../clusters/toolchain/tools.ts';
import type { Matcher, MatchResult, OracleCase } from './types.ts';

/** The Go program of the oracle; its version is that of Kubernetes' matcher. */
export const ORACLE_TOOL: ToolModule = {
  name: 'oracle',
  dir: join(import.meta.dirname, 'go'),
  upstream: 'k8s.io/component-helpers',
  package: '.',
  programs: ['oracle'],
  sources: ['main.go', 'match.go', 'model.go', 'rego.go'],
};

const REGO = fileURLToPath(new URL('../../../agent/enforce/gatekeeper/template.rego', import.meta.url));

interface Answer {
  readonly id: number;
  readonly results?: unknown;
  readonly error?: string;
}

/** The Go program: Kubernetes' matcher, and OPA with the template's Rego. */
export interface GoOracle extends Matcher {
  /** The messages of the violations of each input in Gatekeeper's form. */
  rego(inputs: readonly unknown[]): Promise<readonly (readonly string[])[]>;
  close(): Promise<void>;
}

/** The fields that the matcher reads, as JSON. */
const matchQuestion = ({ governed, pod }: OracleCase) => ({
  regions: governed.regions,
  pod: { nodeSelector: pod.nodeSelector, affinity: pod.affinity },
});

class PipedOracle implements GoOracle {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ended: Promise<void>;
  #lastId = 0;

  constructor(program: string, signal: AbortSignal) {
    const child = spawn(program, ['-rego', REGO], { signal, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => this.#take(line));
    // The end of the process reports the cause of a failed write.
    child.stdin.on('error', () => {});
    const ended = Promise.withResolvers<void>();
    this.#ended = ended.promise;
    child.once('error', (error) => this.#fail(error));
    child.once('close', (code) => {
      this.#fail(new Error(`the oracle's Go program ended with exit code ${code}`));
      ended.resolve();
    });
  }

  async match(cases: readonly OracleCase[]): Promise<readonly MatchResult[]> {
    return (await this.#ask('match', cases.map(matchQuestion))) as MatchResult[];
  }

  async rego(inputs: readonly unknown[]): Promise<readonly (readonly string[])[]> {
    return (await this.#ask('rego', inputs)) as string[][];
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  #ask(op: string, cases: readonly unknown[]): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    this.#child.stdin?.write(`${JSON.stringify({ id, op, cases })}\n`);
    return answer.promise;
  }

  #take(line: string): void {
    const { id, results, error } = JSON.parse(line) as Answer;
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) answer?.resolve(results);
    else if (answer !== undefined) answer.reject(new Error(`the oracle's Go program: ${error}`));
    else this.#fail(new Error(`the oracle's Go program: ${error}`));
  }

  #fail(error: Error): void {
    for (const answer of this.#waiting.values()) answer.reject(error);
    this.#waiting.clear();
  }
}

/** Starts the Go program, and builds it if it is not in the user's cache. */
export const startGoOracle = async (log: Log, signal: AbortSignal): Promise<GoOracle> => {
  const folders = await ensureTools({ env: process.env, log, modules: [ORACLE_TOOL] }, signal);
  return new PipedOracle(`${folders[ORACLE_TOOL.name]}/oracle`, signal);
};
