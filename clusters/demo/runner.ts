import { messageOf } from '@fso/shared/text';
/**
 * Runs the demo's steps in sequence, prints a line for each, and keeps the results in
 * `.fso/demo.json`.
 */

/** Outcome of one step of the demo. */
export interface StepResult {
  readonly name: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail: string;
}

/** Runs the steps of the demo, and prints each with its time. */
export interface Runner {
  /** Runs a step; `run` returns the text to print. Rejects with {@link StepFailed} if it fails. */
  step(name: string, run: () => Promise<string>): Promise<void>;
  readonly results: readonly StepResult[];
}

/** Error of a step that failed, after its reason was printed. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed';
}

export function createRunner(print: (line: string) => void, color: boolean): Runner {
  const results: StepResult[] = [];
  const paint = (code: number, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);

  const record = (result: StepResult): void => {
    results.push(result);
    const mark = result.ok ? paint(32, '✓') : paint(31, '✗');
    const time = result.ms < 10_000 ? `${result.ms} ms` : `${(result.ms / 1000).toFixed(1)} s`;
    const [first = '', ...more] = result.detail.split('\n');
    print(`${mark} ${result.name.padEnd(46)} ${time.padStart(9)}  ${first}`);
    for (const line of more) print(`    ${paint(2, line)}`);
  };

  return {
    results,
    step: async (name, run) => {
      const started = performance.now();
      const ms = (): number => Math.round(performance.now() - started);
      try {
        const detail = await run();
        record({ name, ok: true, ms: ms(), detail });
      } catch (error) {
        const detail = messageOf(error);
        record({ name, ok: false, ms: ms(), detail });
        throw new StepFailed(`${name}: ${detail}`, { cause: error });
      }
    },
  };
}

/** Median and maximum of samples, in whole milliseconds. */
export function summarize(samples: readonly number[]): { median: number; max: number; samples: number[] } {
  const sorted = samples.map(Math.round).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  const median = sorted.length % 2 === 1 ? upper : Math.round(((sorted[middle - 1] ?? upper) + upper) / 2);
  return { median, max: sorted.at(-1) ?? 0, samples: samples.map(Math.round) };
}

/** Target for a commit that changes one policy, on an idle machine, in ms. */
const AIM_MS = 1000;

/**
 * Describes the samples and compares them with the target. Missing it on a busy machine is no
 * failure.
 */
export function compareWithAim(samples: readonly number[]): string {
  const { median, max } = summarize(samples);
  const verdict = median <= AIM_MS ? 'within the aim' : 'beyond the aim';
  return `median ${median} ms, max ${max} ms of ${samples.length} commits; ${verdict} of ${AIM_MS} ms on an idle machine`;
}
