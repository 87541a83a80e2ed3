import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { desiredOf, FILES } from '../serve/testing/fleet.ts';
import { COMPARE_LIMITS, compareOnThread } from './compare-on-thread.ts';

const signal = new AbortController().signal;
const inputOf = (files: Readonly<Record<string, string>>) => ({
  body: Uint8Array.from(Buffer.from(JSON.stringify({ files }))),
  before: desiredOf().set,
  nowMs: 0,
  grants: undefined,
});
const SAME = Object.fromEntries(FILES.map(({ path, text }) => [path, text]));

const policyText = (name: string): string =>
  `apiVersion: compliance.federated.io/v1\nkind: SovereignPolicy\nmetadata: {name: ${name}}\nspec: {targetNamespace: ${name}, allowedRegions: [eu-west-1]}\n`;
const MANY = {
  ...SAME,
  ...Object.fromEntries(Array.from({ length: 4_000 }, (_, at) => [`policies/p${at}.yaml`, policyText(`p${at}`)])),
};

describe('a comparison on a thread of its own', () => {
  it('gives what the comparison gives', async () => {
    const compared = await compareOnThread(inputOf(SAME), { clock: systemClock, signal });
    expect(compared).toMatchObject({ ok: true, effects: { effects: [], lookedAt: { clusters: 2, policies: 2 } }, questions: [] });
  });

  it.each([
    ['memory', { heapMiB: 24 }, 'too much memory'],
    ['time', { cpuMs: 0 }, 'too long'],
  ])('ends its thread and not the hub when it takes too much %s', async (_what, limits, detail) => {
    const comparing = compareOnThread(inputOf(MANY), { clock: systemClock, signal, limits: { ...COMPARE_LIMITS, ...limits } });
    expect(await comparing).toMatchObject({ ok: false, code: 'too-large', detail: expect.stringContaining(detail) });
  });

  it('ends with its caller', async () => {
    const gone = new AbortController();
    const comparing = compareOnThread(inputOf(SAME), { clock: systemClock, signal: gone.signal });
    gone.abort(new Error('the caller left'));
    await expect(comparing).rejects.toThrow('the caller left');
  });

  it('reports what failed, without texts of the request', async () => {
    const files = { ...SAME, 'policies/x.yaml': `${policyText('x')}# secret-text\n` };
    const broken = { ...inputOf(files), before: {} as never };
    const failure = await compareOnThread(broken, { clock: systemClock, signal }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(String(Reflect.get(Object(failure), 'stack'))).toMatch(/ComparisonError: the thread that compares a plan failed: \w+\n {4}at /);
    expect(`${String(failure)} ${String(Reflect.get(Object(failure), 'stack'))}`).not.toContain('secret-text');
  });
});
