import { describe, expect, it } from 'vitest';
import { outcomeRows, outcomeText } from './outcome-text.ts';
import type { ClassOutcome, ClusterOutcome, PlanOutcome } from './plan-outcome.ts';

const NOTHING: ClassOutcome = { predicted: { now: 0, after: 0, begins: 0, ends: 0 }, reported: { from: 0, to: 0 }, there: [], missing: [] };
const cluster = (name: string, change: Partial<ClusterOutcome> = {}): ClusterOutcome => ({
  ...{ cluster: name, unknown: null, outside: NOTHING, refused: NOTHING, pending: NOTHING },
  ...change,
});
const inForce = (...clusters: readonly ClusterOutcome[]): PlanOutcome => ({
  state: 'InForce',
  revision: 'a'.repeat(40),
  clusters: [...clusters],
});
const refused = (change: Partial<ClassOutcome>): ClassOutcome => ({
  ...{ predicted: { now: 1, after: 3, begins: 2, ends: 0 }, reported: { from: 3, to: 3 }, there: [], missing: null },
  ...change,
});
const rowsOf = (each: ClusterOutcome, partly: string[] = []) => outcomeRows({ outcome: inForce(each), partly });

describe('the rows of an outcome', () => {
  it('have what was, what was predicted and what is, of each class that has an owner', () => {
    expect(rowsOf(cluster('eu', { refused: refused({ there: ['Pod a/x'], missing: ['Pod a/y'] }) }))).toEqual([
      {
        ...{ cluster: 'eu', class: 'refused at next start', before: '1', predicted: '3', now: '3', compared: 'as predicted' },
        owners: 'there: Pod a/x; not there: Pod a/y',
      },
    ]);
    expect(rowsOf(cluster('eu'))).toEqual([]);
  });

  it.each([
    [{ reported: { from: 4, to: 4 } }, '4', 'more than predicted'],
    [{ reported: { from: 0, to: 2 } }, '0 to 2', 'fewer than predicted'],
    [{ reported: { from: 1, to: 4 } }, '1 to 4', 'as far as known'],
    [{ reported: { from: 1, to: null } }, 'at least 1', 'as far as known'],
    [{ reported: { from: 4, to: null } }, 'at least 4', 'more than predicted'],
    [{ predicted: null }, '3', 'not known'],
    [{ predicted: { now: null, after: null, begins: 2, ends: 0 } }, '3', 'not known'],
  ])('compare %j', (change, now, compared) => {
    expect(rowsOf(cluster('eu', { refused: refused(change) }))).toMatchObject([{ now, compared }]);
  });

  it('do not hold more owners against a plan that judged only some', () => {
    const more = cluster('eu', { refused: refused({ reported: { from: 4, to: 4 } }) });
    expect(rowsOf(more, ['eu'])).toMatchObject([{ predicted: 'at least 3', compared: 'not known' }]);
  });

  it('name clusters of which nothing is known', () => {
    const class_ = { ...NOTHING, reported: null, missing: null };
    const away = cluster('us', { unknown: 'NotConnected', outside: class_, refused: class_, pending: class_ });
    expect(rowsOf(away)).toMatchObject([{ cluster: 'us', class: 'all', now: 'Unknown: no agent is connected', compared: 'not known' }]);
    const held = cluster('us', { ...away, unknown: 'NotTaken', refused: refused({ reported: null }) });
    expect(rowsOf(held)).toMatchObject([
      { class: 'refused at next start', predicted: '3', now: 'Unknown: it does not enforce the commit yet' },
    ]);
    expect(outcomeText({ outcome: inForce(cluster('eu'), away) })).toBe(
      'In force: by commit aaaaaaaa the 2 clusters of this plan get what was planned. Not known of 1 cluster: us.',
    );
  });
});

it('explains that the commit differs where a plan is not in force', () => {
  const textOf = (state: PlanOutcome['state'], revision: string | null = null) =>
    outcomeText({ outcome: { state, revision, clusters: [] } });
  expect(textOf('NotInForce')).toContain('the commit in force differs from what was planned');
  expect(textOf('Differs', 'b'.repeat(40))).toBe(
    'Commit bbbbbbbb names this plan, and the commit in force differs from what was planned: other changes came with it or after it.',
  );
  expect(outcomeText({ outcome: null })).toBe('');
});
