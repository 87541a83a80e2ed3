import { describe, expect, it } from 'vitest';
import { readRollout, readRollouts } from './rollout-store.ts';
import { A, at, B, C, HR, open, setOf } from './testing/followed-commits.ts';

describe('activity of a commit', () => {
  it("is accepted with the agent's ack, also where that was held back for its report", async () => {
    const { clock, ledger, begin, show } = open();
    begin().take(A);
    await clock.advance(100);
    await ledger.setOffered('eu', A);
    await clock.advance(900);
    await ledger.setAck('eu', { revision: A, digest: null, heldMs: 400 });
    await ledger.setAck('us', { revision: A, digest: null, heldMs: 60_000 });
    await ledger.setAck('za', { revision: A, digest: null, heldMs: 300, offeredAt: at(200) });
    await clock.advance(1000);
    expect(show(A).clusterSteps).toMatchObject([
      { cluster: 'eu', offered: at(100), accepted: at(600) },
      { cluster: 'us', accepted: at(0) },
      { cluster: 'za', offered: at(200), accepted: at(700) },
    ]);
  });

  it('is followed but not measured while commits go out in waves', async () => {
    const { clock, ledger, begin, ack, prove, show, seconds } = open(true);
    await ledger.setConnected('eu', true);
    begin().take(A);
    await ack('eu', A);
    await clock.advance(100);
    await prove('eu', A);
    await clock.advance(2000);
    expect([show(A).state, seconds]).toEqual(['enforced', { enforced: [], proven: [] }]);
  });

  it('is followed through the hub and through each cluster, until it is enforced', async () => {
    const { clock, ledger, begin, ack, prove, show, seconds, logged } = open();
    const hub = begin();
    await ledger.setConnected('eu', true);
    await ledger.setConnected('us', true);
    hub.take(A);
    await clock.advance(100);
    expect(show(A)).toMatchObject({
      state: 'inProgress',
      hub: { noticed: at(0), fetched: at(0), judged: at(0), compiled: at(0), released: at(0) },
      policies: { added: 2, changed: 0, removed: 0 },
      changes: { added: ['finance', 'hr'], changed: [], removed: [] },
      clusters: { total: 2, offered: 0, accepted: 0, proven: 0, refused: 0 },
    });
    await ack('eu', A);
    await clock.advance(100);
    await prove('eu', A, null);
    await clock.advance(1000);
    expect(show(A).clusterSteps).toEqual([
      { cluster: 'eu', offered: at(100), accepted: at(100), written: at(200), proven: null, refused: null },
      { cluster: 'us', offered: null, accepted: null, written: null, proven: null, refused: null },
    ]);
    await prove('eu', A);
    await ack('us', A);
    await prove('us', A);
    await clock.advance(2000);
    expect(show(A)).toMatchObject({ state: 'enforced', enforced: at(1200), enforcementMs: 1200, clusters: { proven: 2 } });

    // One that is new here, and one whose proof ends, take nothing back.
    await ledger.setConnected('late', true);
    await ack('late', A);
    await prove('eu', A, null);
    await clock.advance(2000);
    expect(show(A)).toMatchObject({ state: 'enforced', clusters: { total: 3, accepted: 3, proven: 2 } });
    // Of a cluster from its offer on, of the commit from its fetch on; each once.
    expect(seconds).toEqual({ enforced: [1.2], proven: [1.1, 0] });
    expect(logged).toMatchObject([{ msg: 'revision enforced', revision: A, clusters: 2, durationMs: 1200 }]);
    expect((await ledger.audit.list({ limit: 10, action: 'policies.change' })).map(({ subject, detail }) => [subject, detail])).toEqual([
      [A, { added: ['finance', 'hr'], changed: [], removed: [] }],
    ]);
  });

  it('does not wait for clusters that are away, and is enforced nowhere without a cluster', async () => {
    const { clock, ledger, begin, ack, prove, show } = open();
    const hub = begin();
    await clock.advance(20_000);
    hub.take(A);
    await clock.advance(10_000);
    expect(show(A).state).toBe('inProgress');
    await ledger.setConnected('eu', true);
    await ledger.setConnected('us', true);
    await ack('eu', A);
    await prove('eu', A);
    await clock.advance(5000);
    expect(show(A).state).toBe('inProgress');
    await ledger.setConnected('us', false);
    await clock.advance(5000);
    expect(show(A)).toMatchObject({ state: 'enforced', enforced: at(30_000) });
  });

  it('shows refusals by agents with reasons and by the hub with places, and drops a withdrawn one', async () => {
    const { clock, ledger, begin, ack, prove, show, states } = open();
    const hub = begin();
    await ledger.setConnected('eu', true);
    hub.take(A);
    await ledger.setNack('eu', { revision: A, reasons: [{ code: 'unsigned', message: 'no signature', path: 'policies/a.yaml' }] });
    await clock.advance(2000);
    expect(show(A)).toMatchObject({ state: 'refused', clusters: { refused: 1 } });
    expect(show(A).clusterSteps[0]?.refused).toEqual({
      time: at(0),
      reasons: [{ code: 'unsigned', reason: 'no signature', path: 'policies/a.yaml' }],
    });
    const problems = [{ path: 'policies/bad.yaml', line: 3, column: 1, reason: 'unknown field' }];
    hub.reject(B, problems);
    hub.reject(B, problems);
    await clock.advance(2000);
    expect(show(B)).toMatchObject({ state: 'rejected', problems, hub: { judged: at(2000), released: null }, clusters: { total: 0 } });
    await ack('eu', A);
    await prove('eu', A);
    await clock.advance(2000);
    expect(states()).toEqual([
      ['b', 'rejected'],
      ['a', 'enforced'],
    ]);
  });

  it('is superseded by a newer commit; a rollback starts again, without steps from before', async () => {
    const { clock, ledger, begin, ack, prove, show, states } = open();
    const hub = begin();
    await ledger.setConnected('eu', true);
    hub.take(A);
    await ack('eu', A);
    await prove('eu', A);
    await clock.advance(2000);
    hub.take(B, { set: setOf(HR) });
    await ack('eu', B);
    await clock.advance(2000);
    expect(show(B)).toMatchObject({ state: 'inProgress', changes: { added: [], changed: ['hr'], removed: [] } });
    hub.take(A);
    await clock.advance(2000);
    expect(states()).toEqual([
      ['a', 'inProgress'],
      ['b', 'superseded'],
      ['a', 'enforced'],
    ]);
    expect(show(A)).toMatchObject({ noticed: at(4000), changes: { changed: ['hr'] }, clusters: { accepted: 0, proven: 0 } });
    await ack('eu', A);
    await prove('eu', A);
    await clock.advance(2000);
    expect(show(A)).toMatchObject({ state: 'enforced', enforced: at(6000) });
    // A push of an older commit that is refused is shown beside what that commit was.
    hub.reject(B, [{ code: 'not-a-descendant', reason: 'no' }]);
    await clock.advance(2000);
    expect(states().slice(0, 2)).toEqual([
      ['b', 'rejected'],
      ['a', 'enforced'],
    ]);
  });

  it('continues after a restart, and waits for agents that reconnect', async () => {
    const { clock, ledger, begin, ack, prove, show, states } = open();
    const before = begin();
    for (const cluster of ['eu', 'us']) await ledger.setConnected(cluster, true);
    before.take(A);
    await ack('eu', A);
    await prove('eu', A);
    await before.stop();
    for (const cluster of ['eu', 'us']) await ledger.setConnected(cluster, false);

    const after = begin();
    await ledger.setConnected('eu', true);
    after.take(A, { restored: true });
    after.reject(B, [{ reason: 'x' }]);
    await clock.advance(5000);
    expect(states()).toEqual([
      ['b', 'rejected'],
      ['a', 'inProgress'],
    ]);
    await clock.advance(20_000);
    expect(show(A)).toMatchObject({ state: 'enforced', enforced: at(0), hub: { compiled: at(0) } });
    await after.stop();

    const third = begin();
    third.take(A, { restored: true });
    third.reject(B, [{ reason: 'x' }]);
    await clock.advance(2000);
    expect(states()).toEqual([
      ['b', 'rejected'],
      ['a', 'enforced'],
    ]);
    third.take(C, { set: setOf(HR) });
    await clock.advance(2000);
    expect(show(C)).toMatchObject({ state: 'inProgress', changes: { changed: ['hr'] } });
  });

  it('is shown without unknown times when it was in force before recording began', async () => {
    const { clock, ledger, begin, ack, prove, show } = open();
    const hub = begin();
    await ledger.setConnected('eu', true);
    await ack('eu', A);
    await prove('eu', A);
    hub.take(A, { restored: true });
    await clock.advance(2000);
    expect(show(A)).toMatchObject({
      state: 'enforced',
      enforcementMs: null,
      hub: { noticed: null, fetched: null, judged: null, compiled: null, released: null },
      policies: { added: 0, changed: 0, removed: 0 },
    });
  });

  it('is written about once a second, always with the last state; the newest 200 are kept', async () => {
    const { clock, ledger, begin, ack, show } = open();
    const hub = begin();
    let writes = 0;
    ledger.records.subscribe('commit', () => {
      writes += 1;
    });
    await ledger.setConnected('eu', true);
    hub.take(A);
    for (let cluster = 0; cluster < 50; cluster += 1) {
      await ack(`constructor-${cluster}`, A);
      await clock.advance(20);
    }
    await ack('constructor', A);
    await clock.advance(2000);
    expect(writes).toBeLessThanOrEqual(4);
    expect(show(A).clusters).toMatchObject({ total: 53, accepted: 51 });
    for (let n = 0; n < 205; n += 1) {
      hub.take(n.toString(16).padStart(40, '0'));
      await clock.advance(1100);
    }
    expect(readRollouts(ledger.records)).toHaveLength(200);
    expect(readRollout(ledger.records, A)).toBeUndefined();
  });
});
