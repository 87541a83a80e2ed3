import { once } from 'node:events';
import type { PolicyReport } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import { decodeHubFrame, encodeFrame, type HubFrame } from '@fso/shared/protocol';
import { digestOfBaseline } from '@fso/shared/status';
import { afterEach, beforeEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { baselineOf, type LooseReport, ReportedNames } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { desiredOf, REVISION } from '../serve/testing/fleet.ts';
import { Inspector } from './inspections.ts';
import { type DeliveryHarness, startDelivery } from './testing/delivery-harness.ts';
import { encodeHello, encodeReport, frameTypesOf } from './testing/frames.ts';

let bench: DeliveryHarness;
beforeEach(async () => {
  bench = await startDelivery();
});
afterEach(() => bench.close());

const { lastUpdated: _time, ...conforming } = policyReport('finance');

const waitForReports = async (policies: readonly PolicyReport[]): Promise<void> =>
  expect.poll(async () => [...((await bench.ledger.cluster('eu'))?.policies.values() ?? [])]).toEqual(policies);

/** Connects an agent that has said hello, and sends its reports and digests. */
const reportingAgent = async () => {
  const { socket } = await bench.connect('eu');
  const frames = frameTypesOf(socket);
  socket.send(encodeHello());
  await expect.poll(() => frames).toEqual(['welcome']);
  const names = new ReportedNames();
  const report = (frame: Partial<LooseReport>): void =>
    socket.send(encodeFrame(names.complete({ type: 'report', seq: 1, full: false, policies: [], removed: [], events: [], ...frame })));
  const digest = (seq: number): void => socket.send(JSON.stringify({ type: 'digest', digest: 'd', seq }));
  const of = (type: HubFrame['type']) => frames.filter((frame) => frame === type).length;
  const known = async () => [...((await bench.ledger.cluster('eu'))?.policies ?? [])].map(([key, { phase }]) => [key, phase]);
  return { socket, report, digest, of, known };
};

it('requests full reports from an agent, and applies them to what it requested', async () => {
  const { socket } = await bench.connect('eu');
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (!decoded.ok || decoded.frame.type !== 'inspect') return;
    const { id } = decoded.frame;
    socket.send(encodeFrame({ type: 'inspected', id, report: policyReport('other') }));
    socket.send(encodeFrame({ type: 'inspected', id, report: policyReport('finance', { message: 'told' }) }));
  });
  expect(await bench.delivery.ask('eu', { policy: 'finance' })).toBeUndefined();
  socket.send(encodeHello());
  socket.send(encodeReport({ policies: [conforming] }));
  await waitForReports([conforming]);
  expect(await bench.delivery.ask('eu', { policy: 'finance' })).toEqual({ report: policyReport('finance', { message: 'told' }) });
  expect(await bench.delivery.ask('us', { policy: 'finance' })).toBeUndefined();
  expect([bench.delivery.holds('eu'), bench.delivery.holds('us')]).toEqual([true, false]);
  // What it said in answer is kept nowhere.
  await waitForReports([conforming]);
});

it('sends no question about a change whose caller left while it waited for its turn', async () => {
  const { socket } = await bench.connect('eu');
  const asked: number[] = [];
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (decoded.ok && decoded.frame.type === 'preview') asked.push(decoded.frame.id);
  });
  socket.send(encodeHello());
  socket.send(encodeReport({ policies: [conforming] }));
  await waitForReports([conforming]);
  const inspector = new Inspector(bench.delivery, { ...bench.ledger, ask: async () => undefined, onAsked: () => undefined });
  const question = JSON.stringify({ list: null, put: [], removed: ['finance'], at: null, withoutRegions: [] });
  const off = { state: 'NotAnswered', reason: 'Off', message: 'off' } as const;
  const answer = (id: number): void => socket.send(encodeFrame({ type: 'previewed', id, answer: off }));
  const gone = new AbortController();
  const first = inspector.preview('eu', question);
  const second = inspector.preview('eu', question, gone.signal);
  const third = inspector.preview('eu', question);
  await expect.poll(() => asked).toEqual([1]);
  gone.abort();
  expect(await second).toBe('NoAnswer');
  answer(1);
  expect(await first).toEqual(off);
  await expect.poll(() => asked).toEqual([1, 2]);
  answer(2);
  expect(await third).toEqual(off);
});

it('writes a report before its ack; another ack waits for it, and a failed ack ends the stream', async () => {
  const { acks, connect, targets } = bench;
  const report = encodeReport({});
  const { socket, closed } = await connect('eu');
  const frames = frameTypesOf(socket);
  const revisions = ['a'.repeat(40), 'b'.repeat(40)];
  socket.send(encodeHello({ checkpoint: null }));
  for (const revision of revisions) {
    targets.setTarget(revision);
    await expect.poll(() => bench.delivery.connected()).toEqual(['eu']);
    bench.delivery.publish(revision, ['eu']);
  }
  await expect.poll(() => frames.filter((type) => type === 'offer').length).toBe(2);
  const written = Promise.withResolvers<void>();
  acks.until = written.promise;
  socket.send(encodeFrame({ type: 'ack', revision: revisions[0] ?? '', digest: 'f'.repeat(64) }));
  socket.send(report);
  await expect.poll(() => frames).toContain('reported');
  socket.send(encodeFrame({ type: 'ack', revision: revisions[1] ?? '', digest: 'f'.repeat(64) }));
  // The hub takes what others say, and has got the second ack by then.
  const other = await connect('us');
  const otherFrames = frameTypesOf(other.socket);
  other.socket.send(encodeHello({ cluster: 'us', checkpoint: null }));
  other.socket.send(report);
  await expect.poll(() => otherFrames).toContain('reported');
  acks.until = Promise.reject(new Error('refused by the database'));
  acks.until.catch(() => undefined);
  written.resolve();
  expect(await closed).toBe(1011);
  expect(acks.steps).toEqual(['write a', 'written a', 'write b']);
});

it('takes a report with a bad policy and a bad event: one is shown as Failed, the other loses a field, the rest arrives', async () => {
  const { socket, report, digest, of, known } = await reportingAgent();
  const bad = { ...policyReport('bad'), effectiveRegions: ['a'.repeat(64)], expiryDate: '2030-01-01T00:00:00+99:99' };
  const event = { time: '2026-01-01T00:00:00Z', severity: 'warning' as const, reason: 'Expired', message: 'expired', revision: '' };
  report({ seq: 1, full: true, policies: [bad, policyReport('good'), 7 as never], events: [event, { reason: 'Nothing' } as never] });
  await expect.poll(() => of('reported')).toBe(1);
  expect(await known()).toEqual([
    ['bad', 'Failed'],
    ['good', 'Active'],
  ]);
  expect(await bench.ledger.events({ limit: 10 })).toMatchObject([{ reason: 'Expired', cluster: 'eu' }]);
  // What the agent believes it sent can never be what the hub has: to ask again and again would
  // change nothing.
  digest(1);
  report({ seq: 2, policies: [policyReport('good', { phase: 'Pending' })] });
  await expect.poll(() => of('reported')).toBe(2);
  expect([of('resync'), socket.readyState]).toEqual([0, WebSocket.OPEN]);
  report({ seq: 3, full: true, policies: [policyReport('good')] });
  digest(3);
  await expect.poll(() => of('resync')).toBe(1);
});

it('shows policies as not reported where an agent without a commit replaces one that had accepted one', async () => {
  const { ledger, connect } = bench;
  const desired = desiredOf();
  await ledger.setDesired(desired);
  const baseline = baselineOf(digestOfPolicies(desired.clusters.get('eu') ?? []));
  const before = await connect('eu');
  before.socket.send(encodeHello({ revision: REVISION }));
  await once(before.socket, 'message');
  before.socket.send(encodeReport({ baseline }));
  await expect.poll(async () => [...((await ledger.cluster('eu'))?.policies.keys() ?? [])]).toEqual(['finance', 'hr']);
  const welcomeOf = async (revision: string | null): Promise<HubFrame | undefined> => {
    const { socket } = await connect('eu');
    const welcomed = once(socket, 'message');
    socket.send(encodeHello({ revision }));
    const decoded = decodeHubFrame((await welcomed)[0]);
    return decoded.ok ? decoded.frame : undefined;
  };
  expect(await welcomeOf(REVISION)).toMatchObject({ reported: { seq: 1, baseline: digestOfBaseline(baseline) } });
  expect(await welcomeOf(null)).toMatchObject({ reported: { seq: 1, baseline: null } });
  const read = async () => {
    const { connected, baseline: known, policies } = (await ledger.cluster('eu')) ?? {};
    return { connected, baseline: known, policies: [...(policies ?? [])] };
  };
  await expect.poll(read).toEqual({ connected: true, baseline: null, policies: [] });
});

it('counts a cluster as unknown until the hub has all of its report', async () => {
  const { confirmed, delivery } = bench;
  expect(delivery.isAwaitingAgents).toBe(false);
  const { report, of } = await reportingAgent();
  const [first, second] = [policyReport('first'), policyReport('second')];
  const total = new ReportedNames().take({ full: true, policies: [first, second], removed: [] });
  report({ full: true, more: true, policies: [first], total });
  await expect.poll(() => of('reported')).toBe(1);
  report({ seq: 2, more: true, policies: [], total });
  await expect.poll(() => of('reported')).toBe(2);
  expect([confirmed, delivery.isAwaitingAgents]).toEqual([[], true]);
  report({ seq: 3, policies: [second], total });
  await expect.poll(() => confirmed).toEqual(['eu']);
  expect(delivery.isAwaitingAgents).toBe(false);
});

it('requests everything from a bounded number of agents at a time where all digests differ', async () => {
  const asked: string[] = [];
  const agents = await Promise.all(
    ['eu', 'us'].map(async (cluster) => {
      const { socket } = await bench.connect(cluster);
      const welcomed = new Promise((resolve) => socket.once('message', resolve));
      socket.on('message', (data) => {
        const decoded = decodeHubFrame(data as Buffer);
        if (decoded.ok && decoded.frame.type === 'resync') asked.push(cluster);
      });
      socket.send(encodeHello({ cluster }));
      await welcomed;
      socket.send(encodeFrame({ type: 'digest', digest: 'differs', seq: 0 }));
      // It is heard once the digest before it was taken.
      socket.ping();
      await once(socket, 'pong');
      const report = encodeReport({});
      return { cluster, answer: () => socket.send(report), end: () => socket.terminate() };
    }),
  );
  await expect.poll(() => asked).toHaveLength(1);
  const [first, second] = agents.toSorted((a, b) => Number(b.cluster === asked[0]) - Number(a.cluster === asked[0]));
  first?.answer();
  await expect.poll(() => asked).toEqual([first?.cluster, second?.cluster]);
  // One that goes away keeps no other waiting.
  second?.end();
});
