import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter, readAtMost, readBeginning } from './bounded-stream.ts';

describe('readAtMost', () => {
  /** Bytes without end. */
  const endless = () => {
    const state = { sent: 0, isCancelled: false };
    const stream = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          state.sent += 10;
          yield new Uint8Array(10);
        }
      } finally {
        state.isCancelled = true;
      }
    };
    return { state, stream: stream() };
  };

  it('reads no more of a stream than its bound, and cancels the rest', async () => {
    const { state, stream } = endless();
    expect(await readAtMost(stream, 25)).toBeUndefined();
    expect(state).toEqual({ sent: 30, isCancelled: true });
  });

  it('reads a whole stream of exactly the bound', async () => {
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('ab');
      yield Buffer.from('c');
    };
    expect((await readAtMost(bytes(), 3))?.toString()).toBe('abc');
    expect(await readAtMost(null, 3)).toHaveLength(0);
    expect((await readBeginning(bytes(), 2)).toString()).toBe('ab');
  });
});

describe('LineSplitter', () => {
  it('yields the lines of a text wherever its parts end', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom('a', '\n', 'é') }));
    fc.assert(
      fc.property(texts, (parts) => {
        const splitter = new LineSplitter(1_000);
        const lines = parts.flatMap((part) => splitter.push(part));
        expect([...lines, splitter.rest].join('\n')).toBe(parts.join(''));
        expect(lines.some((line) => line.includes('\n'))).toBe(false);
      }),
    );
  });

  it('refuses a line that does not end', () => {
    const splitter = new LineSplitter(10);
    expect(splitter.push(`${'a'.repeat(10)}\n${'b'.repeat(10)}`)).toEqual(['a'.repeat(10)]);
    expect(() => splitter.push('b')).toThrow(RangeError);
  });
});
