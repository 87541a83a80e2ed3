import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPackAnswer, checkRefsAnswer, DEFAULT_PACK_LIMITS, type PackLimits } from './pack-limits.ts';

let folder: string;
let pack: Buffer;
const LARGEST = 40_000;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fso-pack-'));
  const git = (args: readonly string[], input?: string): Buffer =>
    execFileSync('git', args, {
      cwd: folder,
      stdio: 'pipe',
      ...(input !== undefined && { input }),
      env: { PATH: process.env['PATH'], HOME: folder },
    });
  git(['init', '--quiet']);
  // Files that are alike, so that git writes deltas.
  const lines = Array.from({ length: LARGEST / 20 }, (_, index) => `line ${index}`.padEnd(19)).join('\n');
  for (let count = 0; count < 5; count += 1) writeFileSync(join(folder, `file-${count}`), `${lines.slice(0, LARGEST - 2)}${count}\n`);
  const names = Array.from({ length: 5 }, (_, index) => `file-${index}`);
  const ids = git(['hash-object', '-w', ...names]).toString();
  pack = git(['pack-objects', '--stdout', '--delta-base-offset'], ids);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const line = (content: Buffer): Buffer => Buffer.concat([Buffer.from((content.length + 4).toString(16).padStart(4, '0')), content]);
/**
 * Wraps a pack as a server sends it: an answer to the commits of the client, then the pack on side
 * band 1.
 */
const answerOf = (bytes: Buffer): Buffer => {
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1000) }, (_, index) => bytes.subarray(index * 1000, index * 1000 + 1000));
  const progress = Buffer.from([2, ...Buffer.from('counting')]);
  const band = chunks.map((chunk) => line(Buffer.concat([Buffer.from([1]), chunk])));
  return Buffer.concat([line(Buffer.from('NAK\n')), line(progress), ...band, Buffer.from('0000')]);
};
const check = (bytes: Buffer, limits: Partial<PackLimits> = {}): ReturnType<typeof checkPackAnswer> =>
  checkPackAnswer(bytes, { ...DEFAULT_PACK_LIMITS, ...limits }, new AbortController().signal);

describe('a pack', () => {
  it('passes within its limits, in any form that a server sends it', async () => {
    await check(answerOf(pack));
    await check(Buffer.concat([line(Buffer.from('NAK\n')), pack]));
    await check(line(Buffer.from('NAK\n')));
    await check(answerOf(pack), { objectBytes: LARGEST });
  });

  it('is refused for one object, for all as they unpack, and for all that deltas make of them', async () => {
    expect(pack.length).toBeLessThan(LARGEST);
    await expect(check(answerOf(pack), { objectBytes: LARGEST - 1 })).rejects.toThrow(`an object of more than ${LARGEST - 1} bytes`);
    await expect(check(answerOf(pack), { inflatedBytes: LARGEST })).rejects.toThrow('objects of more than');
    await expect(check(answerOf(pack), { resolvedBytes: 4 * LARGEST })).rejects.toThrow('objects of more than');
    await check(answerOf(pack), { inflatedBytes: 2 * LARGEST, resolvedBytes: 5 * LARGEST });
    await expect(check(answerOf(pack), { objects: 4 })).rejects.toThrow('more than 4 objects');
    await check(answerOf(pack), { objects: 5 });
  });

  it('is refused in very many lines, and with a history that was cut off unasked', async () => {
    const many = Buffer.concat([...Array.from({ length: 100_001 }, () => line(Buffer.from([1, 0]))), Buffer.from('0000')]);
    await expect(check(many)).rejects.toThrow('more than 100000 lines');
    expect(() => checkRefsAnswer(Buffer.from('0000'.repeat(100_001)))).toThrow('more than 100000 lines');
    const shallow = Buffer.concat([line(Buffer.from(`shallow ${'1'.repeat(40)}\n`)), answerOf(pack)]);
    await expect(check(shallow)).rejects.toThrow('a pack that cannot be read');
  });

  it('is read no further once the fetch is given up', async () => {
    const given = new AbortController();
    given.abort(new Error('too late'));
    await expect(checkPackAnswer(answerOf(pack), DEFAULT_PACK_LIMITS, given.signal)).rejects.toThrow('too late');
  });

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut off', (bytes) => bytes.subarray(0, bytes.length - 100)],
    ['without its header', (bytes) => bytes.subarray(4)],
    ['with other data than it says', (bytes) => Buffer.concat([bytes.subarray(0, 60), Buffer.alloc(40), bytes.subarray(100)])],
    ['that says to have more objects', (bytes) => Buffer.concat([bytes.subarray(0, 8), Buffer.from([0, 0, 1, 0]), bytes.subarray(12)])],
  ])('is refused %s', async (_what, change) => {
    await expect(check(answerOf(change(pack)))).rejects.toThrow('a pack that cannot be read');
  });
});
