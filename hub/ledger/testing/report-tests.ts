import { byText, sha256 } from '@fso/shared/encoding';
import { EMPTY_DIGEST, type Report, totalOf } from '@fso/shared/protocol';
import { encodeBitmap, groupDeviations, standingOf } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { neverSeenCluster } from '../changes.ts';
import { keysBetween } from '../policies/index.ts';
import type { ClusterRecord } from '../types.ts';

import { commitFor, compiledFor, fullReport, listOfCommit, policy, report, TIME } from './ledger.ts';
import type { TestLedger } from './test-ledger.ts';

/** Names of the policies of a cluster. */
const names = ({ ledger }: TestLedger, cluster: string): Promise<string[]> =>
  ledger.cluster(cluster).then((record) => [...(record?.policies.keys() ?? [])].sort(byText));

/** Tests reports of whole policies, and the number that is kept. */
export const itKeepsReports = (test: TestLedger): void => {
  it('merges deltas and replaces everything with a full report', async () => {
    await test.ledger.applyReport('merge', report(1, { full: true, policies: [policy('a'), policy('b')] }));
    await test.ledger.applyReport('merge', report(2, { policies: [policy('b', { violations: 3 })], removed: ['policies/a'] }));
    const afterDelta = await test.ledger.cluster('merge');
    expect(afterDelta?.policies.get('policies/b')?.violations).toBe(3);
    expect(await names(test, 'merge')).toEqual(['policies/b']);
    await test.ledger.applyReport('merge', report(3, { full: true, policies: [policy('c')] }));
    expect(await names(test, 'merge')).toEqual(['policies/c']);
    expect((await test.ledger.cluster('merge'))?.reportedSeq).toBe(3);
    // What a reader was given before stays as it was.
    expect([...(afterDelta?.policies.keys() ?? [])]).toEqual(['policies/b']);
  });

  it('keeps every policy over a restart, conforming or not, with its history', async () => {
    const many = Array.from({ length: 300 }, (_, i) =>
      policy(`p${i}`, i % 3 === 0 ? { phase: 'Failed', message: `no ${i} \u0000 \ud800` } : {}),
    );
    await test.ledger.applyReport('many', report(1, { full: true, policies: many }));
    const changed = [policy('p0'), policy('p1', { violations: 2 }), policy('p2', { message: 'other' }), policy('new')];
    await test.ledger.applyReport('many', report(2, { policies: changed, removed: ['policies/p3', 'policies/p4', 'policies/none'] }));
    const expected = new Map(many.map((each) => [`policies/${each.name}`, each]));
    for (const each of changed) expected.set(`policies/${each.name}`, each);
    expected.delete('policies/p3');
    expected.delete('policies/p4');
    await test.reopen();
    const record = await test.ledger.cluster('many');
    expect(Object.fromEntries(record?.policies ?? [])).toEqual(Object.fromEntries(expected));
    expect(record?.reportedSeq).toBe(2);
    await test.ledger.applyReport('many', report(3, { full: true, policies: [policy('p5', { phase: 'Expired' }), policy('p6')] }));
    await test.reopen();
    expect(await names(test, 'many')).toEqual(['policies/p5', 'policies/p6']);
  });

  it('keeps 2,000 local policies of a cluster, the most severe first, and counts the others', async () => {
    const locals = Array.from({ length: 2_100 }, (_, i) =>
      policy(`p${i}`, { managedBy: 'local', ...(i % 2 === 1 && { phase: 'Failed' as const }) }),
    );
    await test.ledger.applyReport('full', fullReport(1, locals));
    const read = async () => {
      const record = await test.ledger.cluster('full');
      const failed = [...(record?.policies.values() ?? [])].filter(({ phase }) => phase === 'Failed').length;
      return [record?.policies.size, failed, record?.notKept];
    };
    expect([await read(), await test.ledger.hasRoom('full')]).toEqual([[2_000, 1_050, 100], false]);
    const kept = (await test.ledger.cluster('full'))?.policies;
    const [left] = locals.filter(({ name }) => kept?.has(`policies/${name}`) === false);
    // Of one that is left out, that it is gone; of one that is kept, that it is too.
    await test.ledger.applyReport('full', report(2, { removed: [`policies/${left?.name}`], total: { count: 2_099, root: EMPTY_DIGEST } }));
    expect(await read()).toEqual([2_000, 1_050, 99]);
    await test.ledger.applyReport('full', report(3, { removed: ['policies/p1'], total: { count: 2_098, root: EMPTY_DIGEST } }));
    await test.reopen();
    expect([await read(), await test.ledger.hasRoom('full')]).toEqual([[1_999, 1_049, 99], false]);
    await test.ledger.applyReport('full', fullReport(4, locals.slice(0, 1_000)));
    await test.reopen();
    expect(await read()).toEqual([1_000, 500, null]);
  });

  it('counts what it does not keep at the last frame of a report', async () => {
    const locals = Array.from({ length: 3_000 }, (_, i) => policy(`p${i}`));
    const total = { count: 3_000, root: EMPTY_DIGEST };
    const read = async () => (await test.ledger.cluster('frames'))?.notKept;
    const say = async (seq: number, change: Partial<Report>) => {
      await test.ledger.applyReport('frames', report(seq, { total, ...change }));
      return read();
    };
    expect(await say(1, { full: true, more: true, policies: locals.slice(0, 2_010) })).toBeNull();
    expect(await say(2, { more: true, policies: locals.slice(2_010, 2_990) })).toBeNull();
    expect(await say(3, { policies: locals.slice(2_990) })).toBe(1_000);
    const few = { count: 20, root: EMPTY_DIGEST };
    expect(await say(4, { full: true, more: true, policies: locals.slice(0, 10), total: few })).toBe(1_000);
    expect(await say(5, { policies: locals.slice(10, 20), total: few })).toBeNull();
  });
};

/** Reports by exception, which are read by the list of a commit. */
export const itReadsPolicyLists = (test: TestLedger): void => {
  it('shows conforming policies by the list of their cluster, the same in many clusters, over a restart', async () => {
    const clusters = ['alike-1', 'alike-2', 'alike-3'];
    await test.ledger.setDesired(commitFor('c1', clusters, ['a', 'b', 'over']));
    const baseline = baselineOf(listOfCommit(['a', 'b', 'over']), { asOf: TIME, missing: encodeBitmap(3, (bit) => bit === 0) });
    const failed = standingOf(policyReport('b', { phase: 'Failed' }));
    for (const cluster of clusters) {
      const named = new Map(cluster === 'alike-1' ? [] : [['b', failed]]);
      const change = { full: true, baseline, deviations: groupDeviations(named), total: totalOf(named) };
      await test.ledger.applyReport(cluster, report(1, change));
    }
    const read = () => Promise.all(clusters.map(async (name) => (await test.ledger.cluster(name)) ?? neverSeenCluster(name)));
    const check = async () => {
      const [one, two, three] = (await read()) as [ClusterRecord, ClusterRecord, ClusterRecord];
      expect([...one.policies].map(([key, { phase, revision }]) => [key, phase, revision])).toEqual([
        ['a', 'Pending', 'c1'],
        ['b', 'Active', 'c1'],
        ['over', 'Expired', 'c1'],
      ]);
      // What conforms, and what deviates in the same way.
      expect(['a', 'b', 'over'].map((key) => two.policies.get(key) === one.policies.get(key))).toEqual([true, false, true]);
      expect(['a', 'b', 'over'].map((key) => two.policies.get(key) === three.policies.get(key))).toEqual([true, true, true]);
      expect([keysBetween(one.policies, two.policies), keysBetween(two.policies, three.policies)]).toEqual([['b'], []]);
      expect(three.policies.get('b')).toMatchObject({
        phase: 'Failed',
        revision: 'c1',
        effectiveRegions: ['eu-west-1'],
        namespaces: ['b'],
      });
      expect(three.divergedSince).toBeNull();
      expect([one, two, three].map(({ policiesChanged }) => policiesChanged)).toEqual([TIME, TIME, TIME]);
    };
    await check();
    await test.reopen();
    await check();
    // Of the next commit only what it changes reads otherwise.
    await test.ledger.setDesired(commitFor('c2', clusters, ['a', 'b', 'over', 'z']));
    const [before] = (await read()) as [ClusterRecord];
    await test.ledger.applyReport('alike-1', report(2, { baseline: { ...baseline, list: listOfCommit(['a', 'b', 'over', 'z']) } }));
    const [after] = (await read()) as [ClusterRecord];
    expect(keysBetween(before.policies, after.policies)).toEqual(['z']);
    expect(after.policies.get('z')).toMatchObject({ phase: 'Active', revision: 'c2' });
  });

  it('applies a list that arrives late, and no unknown list', async () => {
    const names = ['late-a', 'late-b'];
    const digest = listOfCommit(names);
    expect(await test.ledger.knowsList(digest, 'late')).toBe(false);
    await test.ledger.applyReport('late', report(1, { full: true, baseline: baselineOf(digest) }));
    expect((await test.ledger.cluster('late'))?.policies.size).toBe(0);
    await test.ledger.setDesired(commitFor('late', ['late'], names));
    expect([...((await test.ledger.cluster('late'))?.policies.keys() ?? [])]).toEqual(names);
    // Of an agent of another version: what no commit of this hub has is not known.
    const listed = [
      ['late-a', compiledFor('late-a').digest],
      ['late-x', 'f'.repeat(64)],
    ] as const;
    const other = sha256(listed.map(([name, of]) => `${name} ${of}\n`).join(''));
    expect(await test.ledger.addList('0'.repeat(64), listed)).toBe(false);
    expect(await test.ledger.addList(other, listed)).toBe(true);
    await test.ledger.applyReport('late', report(2, { full: true, baseline: baselineOf(other) }));
    expect([...((await test.ledger.cluster('late'))?.policies.keys() ?? [])]).toEqual(['late-a']);
  });
};
