import { byText } from '@fso/shared/encoding';
import { totalOf } from '@fso/shared/protocol';
import { groupDeviations, standingOf } from '@fso/shared/status';
import { expect, it } from 'vitest';
import { baselineOf } from '../../../test/harness/baselines.ts';
import { policyReport } from '../../../test/harness/policy-reports.ts';
import { StreamReplacedError } from '../changes.ts';
import { HUB_PAUSE } from '../suspended-clusters.ts';
import type { AgentStream, LedgerChange } from '../types.ts';

import { clusterReport, commitFor, desired, listOfCommit, policy, report, TIME } from './ledger.ts';
import type { TestLedger } from './test-ledger.ts';

/** Names of the policies of a cluster. */
const names = ({ ledger }: TestLedger, cluster: string): Promise<string[]> =>
  ledger.cluster(cluster).then((record) => [...(record?.policies.keys() ?? [])].sort(byText));

/** Tests the current state of a cluster. */
export const itKnowsClusters = (test: TestLedger): void => {
  it("treats a cluster as unknown while its reports by name differ from the agent's, until they match", async () => {
    const what = async () => (await test.ledger.cluster('lost'))?.notObserved?.what;
    const named = new Map([['lost-a', standingOf(policyReport('lost-a', { phase: 'Failed' }))]]);
    const total = totalOf(named);
    await test.ledger.setConnected('lost', true);
    await test.ledger.applyReport('lost', report(1, { full: true, total }));
    expect(await what()).toEqual(['Reports']);
    await test.reopen();
    await test.ledger.setConnected('lost', true);
    expect(await what()).toEqual(['Reports']);
    await test.ledger.applyReport('lost', report(2, { deviations: groupDeviations(named), total }));
    expect(await what()).toBeUndefined();
  });

  it('drops the state of an agent that was replaced by a new one', async () => {
    const stream = { id: 'new-1', isOpen: () => true };
    await test.ledger.setDesired(commitFor('n1', ['renewed'], ['n']));
    await test.ledger.applyReport('renewed', report(1, { full: true, baseline: baselineOf(listOfCommit(['n'])) }));
    expect((await test.ledger.cluster('renewed'))?.policies.size).toBe(1);
    await test.ledger.openStream('renewed', stream, { isNew: true });
    expect((await test.ledger.cluster('renewed'))?.policies.size).toBe(0);
    await test.ledger.setConnected('renewed', false, stream);
  });

  it('takes a hundred reports at once, in their order', async () => {
    const clusters = Array.from({ length: 10 }, (_, i) => `at-once-${i}`);
    const writes = clusters.flatMap((cluster) =>
      Array.from({ length: 10 }, (_, i) => test.ledger.applyReport(cluster, report(i + 1, { policies: [policy(`q${i}`)], full: i === 0 }))),
    );
    await Promise.all(writes);
    await test.reopen();
    for (const cluster of clusters) {
      expect((await test.ledger.cluster(cluster))?.reportedSeq).toBe(10);
      expect(await names(test, cluster)).toHaveLength(10);
    }
  });

  it('lists registered clusters that were never seen, and seen ones that are not registered', async () => {
    await test.ledger.setConnected('stray', true);
    await test.ledger.setDesired(desired('a'.repeat(40), ['planned']));
    const known = (await test.ledger.clusters()).map((c) => [c.name, c.connected, c.lastSeen === null]);
    expect(known).toContainEqual(['planned', false, true]);
    expect(known).toContainEqual(['stray', true, false]);
    expect(await test.ledger.cluster('nowhere')).toBeNull();
  });

  it('clears a nack with the next ack and wakes readers once per change', async () => {
    const changes: LedgerChange[] = [];
    const end = test.ledger.subscribe((change) => {
      if (change.kind === 'cluster' && change.cluster === 'nacks') changes.push(change);
    });
    await test.ledger.setConnected('nacks', true);
    await test.ledger.setConnected('nacks', true);
    await test.ledger.setNack('nacks', { revision: 'b'.repeat(40), reasons: [{ message: 'no' }] });
    expect((await test.ledger.cluster('nacks'))?.nack?.time).toBe(TIME);
    await test.ledger.setAck('nacks', { revision: 'c'.repeat(40), digest: 'd' });
    await test.ledger.setOffered('nacks', 'e'.repeat(40));
    end();
    const offeredAt = '2026-01-03T10:29:59.000Z';
    await test.ledger.setAck('nacks', { revision: 'c'.repeat(40), digest: 'd', offeredAt });
    expect(await test.ledger.cluster('nacks')).toMatchObject({ offeredRevision: 'c'.repeat(40), offeredAt });
    await test.ledger.setOffered('nacks', 'e'.repeat(40));
    await test.ledger.setConnected('nacks', false);
    expect(changes).toHaveLength(4);
    await test.reopen();
    expect(await test.ledger.cluster('nacks')).toMatchObject({
      connected: false,
      lastSeen: { at: TIME },
      nack: null,
      acked: { revision: 'c'.repeat(40), digest: 'd' },
      offeredRevision: 'e'.repeat(40),
      offeredAt: TIME,
    });
  });
};

/** Tests what a cluster reports of itself, of which a commit changes a part. */
export const itKeepsFacts = (test: TestLedger): void => {
  it('keeps what a cluster reports of itself over commits and a restart', async () => {
    const cluster = clusterReport({ revision: 'a', signer: 'alice' });
    await test.ledger.setConnected('facts', true);
    await test.ledger.applyReport('facts', report(1, { full: true, cluster }));
    const revision = { revision: 'b', provenRevision: 'b', verification: 'unverified' } as const;
    const answer = { revision: 'b', digest: 'd', offeredAt: TIME };
    await test.ledger.applyReport('facts', { ...report(2, { revision }), answer });
    const { signer: _, ...others } = cluster;
    const after = { offeredRevision: 'b', offeredAt: TIME, acked: { revision: 'b', digest: 'd' } };
    expect(await test.ledger.cluster('facts')).toMatchObject(after);
    await test.reopen();
    expect(await test.ledger.cluster('facts')).toMatchObject(after);
    expect((await test.ledger.cluster('facts'))?.report).toEqual({ ...others, ...revision });
    await test.ledger.applyReport('facts', report(3, { cluster: { ...cluster, agentVersion: '2' } }));
    await test.reopen();
    expect((await test.ledger.cluster('facts'))?.report).toEqual({ ...cluster, agentVersion: '2' });
  });
};

/** Tests the state of a cluster at a past time. */
export const itKnowsThePast = (test: TestLedger): void => {
  it('answers for the state of a policy at a time, also once its cluster is gone', async () => {
    const [first, second] = ['1', '2'].map((digit) => digit.repeat(40)) as [string, string];
    const stateOf = async (at = TIME) => {
      const { connected, accepted, policy: found } = await test.ledger.policyStateAt({ cluster: 'then', policy: 'policies/a', at });
      return [connected?.value, accepted?.value, found?.value];
    };
    expect(await stateOf()).toEqual([undefined, undefined, undefined]);
    await test.ledger.setConnected('then', true);
    await test.ledger.setAck('then', { revision: first, digest: null });
    await test.ledger.applyReport('then', report(1, { full: true, policies: [policy('a', { revision: first }), policy('b')] }));
    const active = { phase: 'Active', conforms: true, violates: false, revision: first };
    expect(await stateOf()).toEqual([true, first, active]);
    expect(await stateOf('2026-01-03T10:29:59.999Z')).toEqual([undefined, undefined, undefined]);
    await test.ledger.applyReport('then', report(2, { policies: [policy('b', { violations: 1 })] }));
    await test.ledger.setAck('then', { revision: second, digest: null });
    await test.ledger.applyReport('then', report(3, { policies: [policy('a', { revision: second, violations: 2 })] }));
    await test.ledger.setConnected('then', false);
    await test.reopen();
    expect(await stateOf()).toEqual([false, second, { ...active, conforms: false, violates: true, revision: second }]);
    const query = { cluster: 'then', policy: 'policies/a' };
    const { changes, next } = await test.ledger.clusterHistory({ ...query, limit: 10 });
    expect([changes.map(({ time: _time, ...change }) => change), next]).toEqual([
      [
        { connected: false },
        { policies: [{ ...active, conforms: false, violates: true, revision: second, keys: ['policies/a'] }] },
        { accepted: second },
        { policies: [{ ...active, keys: ['policies/a'] }] },
        { accepted: first },
        { connected: true },
      ],
      null,
    ]);
    await test.ledger.forgetCluster('then');
    await test.reopen();
    expect(await stateOf()).toEqual([undefined, undefined, undefined]);
    expect((await test.ledger.clusterHistory({ ...query, limit: 1 })).changes).toEqual([{ time: TIME, nothing: true }]);
  });
};

/** Whether a cluster is observed. */
export const itKnowsWhatIsObserved = (test: TestLedger): void => {
  it('records that an agent does not observe its cluster, until it does or its stream is replaced', async () => {
    const [first, second] = ['seen-1', 'seen-2'].map((id) => ({ id, isOpen: () => true })) as [AgentStream, AgentStream];
    const what = async () => (await test.ledger.cluster('dim'))?.notObserved?.what;
    const observedAt = async () => (await test.ledger.policyStateAt({ cluster: 'dim', policy: 'policies/a', at: TIME })).observed?.value;
    let told = 0;
    await test.ledger.openStream('dim', first, { outOfDate: ['Pause'] });
    await test.ledger.confirmStream('dim', first);
    expect([await what(), await observedAt()]).toEqual([['Pause'], false]);
    await test.ledger.noteObserved('dim', [], first);
    expect([await what(), await observedAt()]).toEqual([undefined, true]);
    const end = test.ledger.subscribe(() => {
      told += 1;
    });
    await test.ledger.noteObserved('dim', ['Pod', 'status'], first);
    expect([await what(), await observedAt(), told]).toEqual([['Pod', 'status'], false, 1]);
    // Said again it is no write.
    await test.ledger.noteObserved('dim', ['Pod', 'status'], first);
    end();
    expect([told, (await test.ledger.clusterHistory({ cluster: 'dim', policy: 'policies/a', limit: 9 })).changes.length]).toEqual([1, 3]);
    await test.ledger.openStream('dim', second);
    expect(await what()).toBeUndefined();
    await expect(test.ledger.noteObserved('dim', ['Pod'], first)).rejects.toThrow(StreamReplacedError);
    await test.ledger.noteObserved('dim', ['Pod'], second);
    await test.ledger.setConnected('dim', false, second);
    await test.ledger.noteObserved('dim', ['Pod'], second);
    expect(await what()).toBeUndefined();
  });

  it('shows a cluster as not observed while its observation is suspended, and writes nothing', async () => {
    await test.ledger.setConnected('paused', true);
    const told: LedgerChange[] = [];
    const end = test.ledger.subscribe((change) => told.push(change));
    test.ledger.suspendObservation(['paused']);
    const record = await test.ledger.cluster('paused');
    expect(record?.notObserved).toEqual({ since: TIME, what: [HUB_PAUSE] });
    expect(await test.ledger.cluster('paused')).toBe(record);
    expect((await test.ledger.clusters()).find(({ name }) => name === 'paused')).toBe(record);
    await test.ledger.applyReport('paused', report(1, { full: true, policies: [policy('a')] }));
    expect((await test.ledger.cluster('paused'))?.notObserved).not.toBeNull();
    test.ledger.resumeObservation(['paused']);
    test.ledger.resumeObservation(['paused']);
    end();
    expect((await test.ledger.cluster('paused'))?.notObserved).toBeNull();
    expect(told).toEqual(Array.from({ length: 3 }, () => ({ kind: 'cluster', cluster: 'paused' })));
    const { changes } = await test.ledger.clusterHistory({ cluster: 'paused', policy: 'policies/a', limit: 9 });
    expect(changes.filter(({ observed }) => observed !== undefined)).toEqual([]);
  });
};
