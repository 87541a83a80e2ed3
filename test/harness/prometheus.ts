import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { freePort } from '../../clusters/local/ports.ts';
import { runMark } from '../../clusters/processes.ts';
import type { ToolModule } from '../../clusters/toolchain/modules.ts';
import { ensureTools } from '../../clusters/toolchain/tools.ts';
import type { RuleGroups } from './monitoring-files.ts';
import { eventually } from './waiting.ts';

/**
 * Builds a program of Prometheus without the discovery of cloud targets, which is a third of it.
 */
const toolOf = (name: string): ToolModule => ({
  name,
  dir: join(import.meta.dirname, 'prometheus'),
  upstream: 'github.com/prometheus/prometheus',
  package: `github.com/prometheus/prometheus/cmd/${name}`,
  programs: [name],
  tags: ['remove_all_sd'],
});

const PROMETHEUS_TOOL = toolOf('prometheus');
/** Checks rules and metrics, and runs unit tests of rules. */
const PROMTOOL: ToolModule = toolOf('promtool');

const programOf = async (tool: ToolModule, signal: AbortSignal): Promise<string> => {
  const folders = await ensureTools({ env: process.env, log: () => undefined, modules: [tool] }, signal);
  return join(folders[tool.name] ?? '', tool.name);
};

/** Exit code of promtool if it has found only bad style. */
const LINT_EXIT_CODE = 3;

interface Output {
  readonly stdout: string;
  readonly stderr: string;
  readonly code?: number;
}

/** Promtool, called as a command. */
export class Promtool {
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  static async open(signal: AbortSignal): Promise<Promtool> {
    return new Promtool(await programOf(PROMTOOL, signal));
  }

  /** @returns standard output @throws Error with the output of promtool */
  async run(args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.#program, args).catch((error: Output) => {
      throw new Error(`${error.stdout}\n${error.stderr}`);
    });
    return stdout;
  }

  /**
   * @param text metrics as a program serves them
   * @returns lines with the findings
   * @throws Error if the text is not in the format of metrics
   */
  async checkMetrics(text: string): Promise<readonly string[]> {
    const running = promisify(execFile)(this.#program, ['check', 'metrics']);
    running.child.stdin?.end(text);
    const { stderr, code = 0 }: Output = await running.catch((error: Output) => error);
    if (code !== 0 && code !== LINT_EXIT_CODE) throw new Error(stderr);
    return stderr.split('\n').filter((line) => line !== '');
  }
}

/** Target of a static configuration. `token` is for the API of a hub. */
export interface ScrapeTarget {
  readonly job: string;
  /** Base URLs. */
  readonly urls: readonly string[];
  readonly token?: string;
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Seconds since 1970, and the value. */
  readonly value: readonly [number, string];
}

interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
  readonly alerts: readonly { readonly state: string; readonly annotations: Readonly<Record<string, string>> }[];
}

export interface PrometheusOptions {
  /** Folder for its configuration, data and log. */
  readonly folder: string;
  readonly targets: readonly ScrapeTarget[];
  readonly rules: readonly RuleGroups[];
}

/** Prometheus that scrapes its targets every second. */
export class Prometheus {
  readonly #url: string;
  readonly #stop: () => Promise<void>;

  private constructor(url: string, stop: () => Promise<void>) {
    this.#url = url;
    this.#stop = stop;
  }

  static async start({ folder, targets, rules }: PrometheusOptions, signal: AbortSignal): Promise<Prometheus> {
    const program = await programOf(PROMETHEUS_TOOL, signal);
    await mkdir(folder, { recursive: true });
    const config = join(folder, 'prometheus.yaml');
    const scrapes = targets.map(({ job, urls, token }) => ({
      job_name: job,
      static_configs: [{ targets: urls.map((url) => new URL(url).host) }],
      honor_labels: true,
      ...(token !== undefined && { authorization: { credentials: token } }),
    }));
    for (const [index, groups] of rules.entries()) await writeFile(join(folder, `rules-${index}.yaml`), stringify(groups));
    const global = { scrape_interval: '1s', evaluation_interval: '1s' };
    await writeFile(config, stringify({ global, rule_files: ['rules-*.yaml'], scrape_configs: scrapes }), { mode: 0o600 });
    const address = `127.0.0.1:${await freePort()}`;
    const log = await open(join(folder, 'prometheus.log'), 'w');
    const child = spawn(
      program,
      [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=${address}`],
      { stdio: ['ignore', log.fd, log.fd], env: runMark() },
    );
    const ended = once(child, 'exit');
    await log.close();
    const prometheus = new Prometheus(`http://${address}`, async () => {
      child.kill();
      await ended;
    });
    await eventually(async () => (await fetch(`http://${address}/-/ready`)).ok);
    return prometheus;
  }

  /**
   * Returns the current result of a query.
   *
   * @throws Error with Prometheus' message
   */
  async query(query: string): Promise<readonly Sample[]> {
    const { result } = await this.#get<{ result: readonly Sample[] }>(`query?${new URLSearchParams({ query }).toString()}`);
    return result;
  }

  /** Returns the rules that it evaluates. */
  async rules(): Promise<readonly Rule[]> {
    const { groups } = await this.#get<{ groups: readonly { readonly rules: readonly Rule[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async stop(): Promise<void> {
    await this.#stop();
  }

  async #get<T>(path: string): Promise<T> {
    const answer = (await (await fetch(`${this.#url}/api/v1/${path}`)).json()) as { status: string; data: T; error?: string };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error ?? answer.status}`);
    return answer.data;
  }
}
