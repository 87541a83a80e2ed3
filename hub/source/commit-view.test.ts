import { describe, expect, it } from 'vitest';
import { commitView } from './commit-view.ts';

const [ONE, TWO] = ['1'.repeat(24), '2'.repeat(24)];
const acceptedBy = (message: string, merged?: readonly string[]): string | undefined =>
  commitView('a', { author: 'Ana <a@b> 1 +0000', committer: 'Ana <a@b> 1 +0000', message }, merged).accepts;

describe('the plan that a commit names', () => {
  it('stands in the last paragraph of its message', () => {
    expect(acceptedBy(`tighten\n\nAccept-Effects: ${ONE}\nSigned-off-by: Ana\n`)).toBe(ONE);
    expect(acceptedBy(`tighten\n\nAccept-Effects: ${TWO}\naccept-effects: ${ONE}\n`)).toBe(ONE);
    expect(acceptedBy(`Accept-Effects: ${ONE}`)).toBeUndefined();
  });

  it('stands in the message of a commit that it merges, unless it names one itself', () => {
    const branch = `accept\n\nAccept-Effects: ${ONE}\n`;
    expect(acceptedBy('Merge branch', ['no trailer', branch])).toBe(ONE);
    expect(acceptedBy(`Merge branch\n\nAccept-Effects: ${TWO}`, [branch])).toBe(TWO);
  });

  it('is none where the trailer has another text', () => {
    expect(acceptedBy('tighten\n\nAccept-Effects: moon')).toBeUndefined();
  });
});
