import { describe, expect, it } from 'vitest';
import { readMetrics } from './metrics-page.ts';

const check = (policy: string, action: string, count: number, error = 'invalid_error'): string =>
  `apiserver_validating_admission_policy_check_total{enforcement_action="${action}",error_type="${error}",policy="${policy}",policy_binding="${policy}"} ${count}`;

const PAGE = [
  '# TYPE apiserver_validating_admission_policy_check_total counter',
  check('fso-floor-pods-deny', 'deny', 40),
  check('fso-floor-pods-deny', 'deny', 2, 'out_of_budget'),
  check('fso-floor-pods-deny', 'audit', 900),
  check('fso-floor-index-pods-deny', 'deny', 3),
  check('fso-floor-bindings-deny', 'deny', 7),
  check('fso-floor-workloads-deny', 'warn', 5),
  check('fso-guard-nodes', 'deny', 11),
  check('theirs', 'deny', 1_000_000),
  `apiserver_validating_admission_policy_check_duration_seconds_count{enforcement_action="deny",policy="fso-floor-pods-deny"} 99`,
  'process_start_time_seconds 1.79605638492e+09',
  '',
];

const clientOf = (text: string, size: number) => ({
  stream: async () =>
    (async function* chunks() {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })(),
});

describe('the metrics of an API server', () => {
  it.each([1, 7, 100_000])('are read line by line, in chunks of %d bytes', async (size) => {
    const reading = await readMetrics(clientOf(PAGE.join('\n'), size), new AbortController().signal);
    expect(reading).toEqual({ startedAt: 1_796_056_384.92, refusals: { pods: 45, bindings: 7 } });
  });

  it.each([
    ['of no process', PAGE.slice(0, -2).join('\n')],
    ['with a count that is no number', [check('fso-floor-pods-deny', 'deny', Number.NaN), ...PAGE].join('\n')],
    ['with a line that has no end', 'x'.repeat(100_000)],
  ])('are refused %s', async (_, text) => {
    await expect(readMetrics(clientOf(text, 1_000), new AbortController().signal)).rejects.toThrow(/metric|line/);
  });

  it('are refused where the page has no end', async () => {
    const line = Buffer.from(`${'x'.repeat(60_000)}\n`.repeat(16));
    let isEnded = false;
    const stream = async () =>
      (async function* endless() {
        try {
          for (;;) yield line;
        } finally {
          isEnded = true;
        }
      })();
    await expect(readMetrics({ stream }, new AbortController().signal)).rejects.toThrow('more than');
    expect(isEnded).toBe(true);
  });
});
