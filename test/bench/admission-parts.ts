import type { AgentHarness } from '../harness/agent-harness.ts';

/** What the locks took of an admission, in ms: means over all requests to create something. */
export interface Parts {
  /** All ValidatingAdmissionPolicies. */
  readonly lockOne: number;
  /** Gatekeeper's validating webhook, with the way there and back. */
  readonly lockTwo: number;
}

/** Running totals, in seconds. */
type Totals = Readonly<Record<keyof Parts, { readonly sum: number; readonly count: number }>>;

const CONTROLLER = 'apiserver_admission_controller_admission_duration_seconds';
const WEBHOOK = 'apiserver_admission_webhook_admission_duration_seconds';

/** @see https://kubernetes.io/docs/reference/instrumentation/metrics/ */
const totalOf = (lines: readonly string[], metric: string, name: string): { sum: number; count: number } => {
  const total = (suffix: string): number =>
    lines
      .filter((line) => line.startsWith(`${metric}_${suffix}{`) && line.includes(`name="${name}"`) && line.includes('operation="CREATE"'))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  return { sum: total('sum'), count: total('count') };
};

/** Reads the metrics of the API server. */
export const readTotals = async ({ client, signal }: AgentHarness): Promise<Totals> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await client.stream({ method: 'GET', path: '/metrics', timeoutMs: 10_000 }, signal)) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString('utf8').split('\n');
  return {
    lockOne: totalOf(lines, CONTROLLER, 'ValidatingAdmissionPolicy'),
    lockTwo: totalOf(lines, WEBHOOK, 'validation.gatekeeper.sh'),
  };
};

/** What was added to the totals in between, per request. */
export const partsBetween = (before: Totals, after: Totals): Parts => {
  const mean = (part: keyof Parts): number => {
    const count = after[part].count - before[part].count;
    return count === 0 ? 0 : (1000 * (after[part].sum - before[part].sum)) / count;
  };
  return { lockOne: mean('lockOne'), lockTwo: mean('lockTwo') };
};
