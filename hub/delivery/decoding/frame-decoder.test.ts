import { FakeClock } from '@fso/shared/fake-clock';
import { decodeAgentFrame, encodeFrame } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { afterEach, expect, it } from 'vitest';
import { type LooseReport, ReportedNames } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { DEFAULT_DELIVERY_LIMITS } from '../sockets/default-limits.ts';
import { decoderThreadsFor, FRAME_DECODER_LIMITS, FrameDecoder } from './frame-decoder.ts';

const open = new AbortController().signal;
let decoder: FrameDecoder;
afterEach(() => decoder.close());

const create = (limits: Partial<typeof FRAME_DECODER_LIMITS> = {}, clock = systemClock): FrameDecoder => {
  decoder = new FrameDecoder(clock, { ...FRAME_DECODER_LIMITS, threads: 1, ...limits });
  return decoder;
};

const { lastUpdated: _time, ...short } = policyReport('short');
const encodeReport = (report: LooseReport): string => encodeFrame(new ReportedNames().complete(report));
const frameOf = (policies: number) =>
  encodeReport({
    type: 'report',
    seq: 1,
    full: true,
    policies: Array.from({ length: policies }, (_, n) => (n % 2 === 0 ? policyReport(`p${n}`) : { ...short, name: `p${n}` })),
    removed: [],
    events: [{ time: '2026-01-01T00:00:00Z', severity: 'info', reason: 'Test', message: 'ä € \ud800' }],
  });
/** Fields of a report without policies, as text. */
const ENVELOPE = encodeReport({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] })
  .slice(1, -1)
  .replace('"policies":[],', '');
/** Frames at the limits of the codec, of the values that take most memory. */
const LARGEST = [
  ['keys that are numbers', 299_000, '{"30":0}'],
  ['empty objects', 490_000, '{}'],
  ['arrays of one number', 490_000, '[1.5]'],
] as const;

it('decodes a large frame on another thread as a small one here', async () => {
  create({ inlineBytes: 1024 });
  const text = frameOf(1000);
  const whole = await decoder.decode(Buffer.from(text), open);
  expect(decoder.threads).toBe(1);
  expect(whole.decoded).toEqual(decodeAgentFrame(text));
  expect(whole.cpuMs).toBeGreaterThan(0);
});

it('makes no thread for small frames', async () => {
  create();
  const { decoded } = await decoder.decode(Buffer.from(frameOf(1)), open);
  expect([decoded.ok, decoder.threads]).toEqual([true, 0]);
});

it('gives other work the thread between frames of many agents', async () => {
  let now = 0;
  const monotonicMs = () => {
    now += 4;
    return now;
  };
  create({}, { ...systemClock, monotonicMs });
  const frame = frameOf(40);
  const turns: number[] = [];
  let turn = 0;
  const all = Array.from({ length: 40 }, async () => {
    const { decoded } = await decoder.decode(Buffer.from(frame), open);
    turns.push(turn);
    return decoded.ok;
  });
  for (; turns.length < all.length; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(await Promise.all(all)).toEqual(all.map(() => true));
  // Slices of 10 ms, and 4 ms for a frame.
  expect(new Set(turns).size).toBeGreaterThanOrEqual(13);
});

it('reports entries that are not valid, and refuses frames, as here', async () => {
  create({ inlineBytes: 0 });
  for (const text of ['{', `{${ENVELOPE},"policies":[{}]}`])
    expect((await decoder.decode(Buffer.from(text), open)).decoded).toEqual(decodeAgentFrame(text));
});

it.each(LARGEST)('survives a frame of %s', async (_what, count, value) => {
  create({ cpuMs: 60_000 });
  const frame = `{${ENVELOPE},"policies":[${Array.from({ length: count }, () => value).join(',')}]}`;
  const { decoded } = await decoder.decode(Buffer.from(frame), open);
  expect(decoded).toEqual({ ok: false, error: expect.stringContaining('policies') });
  expect((await decoder.decode(Buffer.from(frameOf(200)), open)).decoded.ok).toBe(true);
  expect(decoder.threads).toBe(1);
});

it.each(LARGEST)('survives the largest frame of %s in a text of two bytes a character', async (_what, count, value) => {
  create({ cpuMs: 60_000 });
  const begin = `{${ENVELOPE},"policies":[${Array.from({ length: count }, () => value).join(',')}],"more":"😀`;
  const padding = 'a'.repeat(DEFAULT_DELIVERY_LIMITS.maxFrameBytes - Buffer.byteLength(begin) - 2);
  const { decoded } = await decoder.decode(Buffer.from(`${begin}${padding}"}`), open);
  expect(decoded).toEqual({ ok: false, error: expect.stringContaining('policies') });
  expect(decoder.threads).toBe(1);
});

it.each([
  ['the limits of the chart', 512, 4, 1],
  ['twice as much memory', 1024, 4, 2],
  ['one core', 4096, 1, 1],
  ['less memory than one thread needs', 256, 4, 1],
])('makes as many threads as fit: %s', (_what, memoryMiB, cores, threads) => {
  const memory = memoryMiB * 1024 * 1024;
  expect(decoderThreadsFor({ memory, cores, mainHeap: memory / 2 }, FRAME_DECODER_LIMITS.heapMiB)).toBe(threads);
});

it('refuses every frame where no thread can be started, without waiting', async () => {
  create({ inlineBytes: 0 });
  await decoder.close();
  for (let n = 0; n < 2; n += 1) await expect(decoder.decode(Buffer.from(frameOf(1)), open)).rejects.toThrow('the hub stops');
});

it('refuses a frame that takes more CPU time than it may', async () => {
  const clock = new FakeClock();
  create({ inlineBytes: 0, cpuMs: -1 }, clock);
  const decoding = decoder.decode(Buffer.from(frameOf(15_000)), open);
  let isOver = false;
  void decoding.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    await clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { decoded, isTooExpensive } = await decoding;
  expect([decoded, isTooExpensive]).toEqual([{ ok: false, error: expect.stringContaining('more CPU time') }, true]);
});

it('ends its threads when they have had nothing to do for a minute', async () => {
  const clock = new FakeClock();
  create({ inlineBytes: 0 }, clock);
  await decoder.decode(Buffer.from(frameOf(1)), open);
  expect(decoder.threads).toBe(1);
  await clock.advance(60_000);
  expect(decoder.threads).toBe(0);
});

it('drops a frame whose stream has ended, before its turn and when the hub stops', async () => {
  create({ inlineBytes: 0 });
  const gone = new AbortController();
  const first = decoder.decode(Buffer.from(frameOf(1000)), gone.signal).catch((reason: unknown) => reason);
  const second = decoder.decode(Buffer.from(frameOf(1000)), gone.signal).catch((reason: unknown) => reason);
  await expect.poll(() => decoder.threads).toBe(1);
  const closed = new Error('closed');
  gone.abort(closed);
  await decoder.close();
  expect(await Promise.all([first, second])).toEqual([closed, closed]);
});
