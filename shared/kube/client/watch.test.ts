import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonLines } from './watch.ts';

/** Cuts bytes at the given places. */
async function* cut(bytes: Uint8Array, places: readonly number[]): AsyncGenerator<Uint8Array> {
  const sorted = [...places].sort((a, b) => a - b).map((place) => Math.min(place, bytes.length));
  for (const [index, start] of [0, ...sorted].entries()) yield bytes.subarray(start, sorted[index] ?? bytes.length);
}

const readAll = async (bytes: Uint8Array, places: readonly number[]): Promise<unknown[]> => {
  const values: unknown[] = [];
  for await (const value of jsonLines(cut(bytes, places))) values.push(value);
  return values;
};

describe('jsonLines', () => {
  it('yields the same values wherever the chunks end', async () => {
    const values = fc.array(fc.record({ text: fc.string({ unit: 'grapheme' }) }));
    await fc.assert(
      fc.asyncProperty(values, fc.array(fc.nat({ max: 400 })), async (objects, places) => {
        const bytes = new TextEncoder().encode(objects.map((object) => `${JSON.stringify(object)}\n`).join(''));
        expect(await readAll(bytes, places)).toEqual(objects);
      }),
    );
  });

  it('drops a last line that was cut off', async () => {
    const bytes = new TextEncoder().encode('{"a":1}\n\n{"b":');
    expect(await readAll(bytes, [])).toEqual([{ a: 1 }]);
  });
});
