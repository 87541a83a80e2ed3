import { expect, it } from 'vitest';
import { simplify } from './simplify.ts';

it('keeps only the needed parts', async () => {
  const pod = { nodeSelector: { a: 'b' }, terms: [{ values: ['x', 'y', 'z'], key: 'k' }, { values: ['y'] }, {}] };
  const holds = async (smaller: typeof pod) => smaller.terms?.some((term) => (term.values ?? []).includes('z')) ?? false;
  expect(await simplify(pod, holds)).toEqual({ terms: [{ values: ['z'] }] });
});

it('keeps a value whose parts are all needed', async () => {
  expect(await simplify({ a: [1, null] }, async () => false)).toEqual({ a: [1, null] });
});
