import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PolicyReport } from '@fso/shared/api';
import { digestOfPolicies } from '@fso/shared/compile';
import {
  type Checkpoint,
  CLOSE_CODES,
  decodeHubFrame,
  EMPTY_DIGEST,
  encodeAges,
  encodeFrame,
  type HubFrame,
  PROTOCOL_VERSION,
} from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { digestOfBaseline } from '@fso/shared/status';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { baselineOf, type LooseReport, ReportedNames } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { authenticateByToken } from '../identity/index.ts';
import { createAuditKey, createCheckpoints, type Ledger } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { desiredOf, REVISION } from '../serve/testing/fleet.ts';
import { AGENT_PATH, Delivery } from './delivery.ts';
import { type Offers, RevisionTargets } from './offers.ts';
import { DEFAULT_AGENT_LIMITS } from './pacing/agent-budget.ts';
import { DEFAULT_LISTENER_LIMITS } from './sockets/agent-server.ts';

const TOKENS = new Map([
  ['eu', 'token-of-eu-0123456789'],
  ['us', 'token-of-us-0123456789'],
]);
const nothing = (): void => undefined;

const startDelivery = async (heartbeatMs = 60_000, suspendedMs = 45_000, maxFrameBytes = 65_536) => {
  const ledger = createMemoryLedger({ clock: systemClock });
  const key = createAuditKey();
  const checkpoints = createCheckpoints({ ledger, key, clock: systemClock, logger: pino({ level: 'silent' }) });
  /** A database that is away: holds back what a hello, and a report, has written. */
  const slow = { until: Promise.resolve() as Promise<void> };
  const written = { connected: 0 };
  const openStream: Ledger['openStream'] = async (...args) => {
    written.connected += 1;
    await slow.until;
    await ledger.openStream(...args);
  };
  const setConnected: Ledger['setConnected'] = async (...args) => {
    written.connected += 1;
    await slow.until;
    await ledger.setConnected(...args);
  };
  const applyReport: Ledger['applyReport'] = async (...args) => {
    await slow.until;
    return ledger.applyReport(...args);
  };
  /** Clusters whose agents have reported their current state. */
  const confirmed: string[] = [];
  const confirmStream: Ledger['confirmStream'] = async (cluster, stream) => {
    confirmed.push(cluster);
    await ledger.confirmStream(cluster, stream);
  };
  /** Acks that have come, and what holds them back. */
  const acks = { steps: [] as string[], until: Promise.resolve() as Promise<void> };
  const setAck: Ledger['setAck'] = async (cluster, ack, stream) => {
    acks.steps.push(`write ${ack.revision[0]}`);
    await acks.until;
    await ledger.setAck(cluster, ack, stream);
    acks.steps.push(`written ${ack.revision[0]}`);
  };
  const limits = {
    helloMs: 60_000,
    maxSilent: 2,
    maxGreeted: 2,
    maxResyncs: 1,
    maxWaiting: 2,
    heartbeatMs,
    ages: { partMs: 75_000, kindMs: 165_000 },
    suspendedMs,
    stallMs: 60_000,
    maxBufferedBytes: 1024,
    maxOfferBytes: 1024,
    maxFrameBytes,
    agent: DEFAULT_AGENT_LIMITS,
    listener: DEFAULT_LISTENER_LIMITS,
  };
  const targets = new RevisionTargets();
  const offers: Offers = {
    get: async (_agent, revision) => {
      const frame = encodeFrame({ type: 'offer', revision, anchor: null, chain: [revision], objects: [] });
      return { revision, shared: Buffer.from(frame.slice(0, -2)), own: Buffer.from(frame.slice(-2)), objects: 0 };
    },
    made: () => 0,
  };
  const delivery = new Delivery(
    authenticateByToken(TOKENS),
    { version: 'test', limits },
    {
      ledger: { ...ledger, openStream, setConnected, confirmStream, setAck, applyReport },
      checkpoints,
      offers,
      targets,
      clock: systemClock,
      logger: pino({ level: 'silent' }),
      metrics: { connected: nothing, offered: nothing, nacked: nothing, reported: nothing },
    },
  );
  const http = createServer();
  delivery.attach(http);
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const sockets: WebSocket[] = [];
  const connect = async (cluster: string, options: WebSocket.ClientOptions = {}) => {
    const socket = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}${AGENT_PATH}`, {
      ...options,
      headers: { Authorization: `Bearer ${TOKENS.get(cluster)}` },
    });
    sockets.push(socket);
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return { socket, closed };
  };
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.terminate();
    await new Promise((resolve) => http.close(resolve));
  };
  return { delivery, connect, close, ledger, key, checkpoints, slow, written, confirmed, acks, targets };
};

let bench: Awaited<ReturnType<typeof startDelivery>>;
beforeEach(async () => {
  bench = await startDelivery();
});
afterEach(() => bench.close());

const hello = (checkpoint?: Checkpoint | null): string =>
  encodeFrame({
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    cluster: 'eu',
    revision: null,
    holds: null,
    anchor: null,
    agentVersion: 'test',
    ...(checkpoint !== undefined && { checkpoint }),
  });

it('closes the oldest stream without a hello when a cluster has too many', async () => {
  const { connect } = bench;
  const greeted = await connect('eu');
  const welcomed = new Promise((resolve) => greeted.socket.once('message', resolve));
  greeted.socket.send(hello());
  await welcomed;
  const silent = [await connect('eu'), await connect('eu')] as const;
  const other = await connect('us');
  const newer = [await connect('eu'), await connect('eu')];
  expect(await Promise.all(silent.map(({ closed }) => closed))).toEqual([CLOSE_CODES.badFrame, CLOSE_CODES.badFrame]);
  for (const { socket } of [greeted, other, ...newer]) expect(socket.readyState).toBe(WebSocket.OPEN);
});

const entry = (n: number) => ({
  actor: { kind: 'hub' as const, id: 'hub', roles: [] },
  from: null,
  action: 'test.entry',
  subject: `s${n}`,
  detail: {},
});

/** A bench with such pings, and a checkpoint of the one entry of its audit log. */
const startWithCheckpoint = async (heartbeatMs: number) => {
  await bench.close();
  bench = await startDelivery(heartbeatMs);
  const { ledger, key } = bench;
  await ledger.audit.append(entry(1));
  return { ...bench, held: key.sign({ ...(await ledger.audit.head()), time: '2026-01-03T10:30:00.000Z' }) };
};

it('brings an agent from the checkpoint that it keeps to the newest one, also to one made while its hello is taken in', async () => {
  const { connect, delivery, ledger, checkpoints, slow, held } = await startWithCheckpoint(250);
  for (const n of [2, 3]) await ledger.audit.append(entry(n));
  const released = Promise.withResolvers<void>();
  slow.until = released.promise;
  const { socket } = await connect('eu');
  const frames: HubFrame[] = [];
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (decoded.ok) frames.push(decoded.frame);
  });
  const got = (type: HubFrame['type']) => frames.filter((frame) => frame.type === type);
  socket.send(hello(held));
  await expect.poll(() => got('welcome')).toHaveLength(1);
  const stop = new AbortController();
  const running = Promise.all([checkpoints.run(stop.signal), delivery.run(stop.signal)]);
  await expect.poll(() => got('checkpoint')).toHaveLength(1);
  released.resolve();
  await expect.poll(async () => (await ledger.audit.proofs()).witnesses).toMatchObject([{ cluster: 'eu', checkpoint: held }]);
  stop.abort();
  await running;
  const digests = expect.arrayContaining([expect.stringMatching(/^[0-9a-f]{64}$/)]);
  expect(got('checkpoint')).toEqual([{ type: 'checkpoint', after: 1, checkpoint: expect.objectContaining({ sequence: 3 }), digests }]);
});

it('keeps no checkpoint of another hub as a witness', async () => {
  const { connect, ledger } = bench;
  await ledger.audit.append(entry(1));
  const { socket } = await connect('eu');
  socket.send(hello(createAuditKey().sign({ ...(await ledger.audit.head()), time: '2026-01-03T10:30:00.000Z' })));
  await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(true);
  expect((await ledger.audit.proofs()).witnesses).toEqual([]);
});

const { lastUpdated: _time, ...conforming } = policyReport('finance');
/** @param report with the fields that a test is about */
const encodeReport = (report: Partial<LooseReport>): string =>
  encodeFrame(new ReportedNames().complete({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [], ...report }));

const waitForReports = async (policies: readonly PolicyReport[]): Promise<void> =>
  expect.poll(async () => [...((await bench.ledger.cluster('eu'))?.policies.values() ?? [])]).toEqual(policies);

it('asks an agent for full reports, which is believed about what it was asked for', async () => {
  const { socket } = await bench.connect('eu');
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (!decoded.ok || decoded.frame.type !== 'inspect') return;
    const { id } = decoded.frame;
    socket.send(encodeFrame({ type: 'inspected', id, report: policyReport('other') }));
    socket.send(encodeFrame({ type: 'inspected', id, report: policyReport('finance', { message: 'told' }) }));
  });
  expect(await bench.delivery.inspect('eu', 'finance')).toBeUndefined();
  socket.send(hello());
  socket.send(encodeReport({ policies: [conforming] }));
  await waitForReports([conforming]);
  expect(await bench.delivery.inspect('eu', 'finance')).toEqual(policyReport('finance', { message: 'told' }));
  expect(await bench.delivery.inspect('us', 'finance')).toBeUndefined();
  expect([bench.delivery.holds('eu'), bench.delivery.holds('us')]).toEqual([true, false]);
  // What it said in answer is kept nowhere.
  await waitForReports([conforming]);
});

it.each([
  [PROTOCOL_VERSION - 1, 'the agent'],
  [PROTOCOL_VERSION + 1, 'the hub'],
])('refuses an agent that speaks protocol %i, and says which of both to upgrade', async (protocol, older) => {
  const { socket } = await bench.connect('eu');
  const frames = framesOf(socket);
  const closed = once(socket, 'close');
  socket.send(hello().replace(`"protocol":${PROTOCOL_VERSION}`, `"protocol":${protocol}`));
  const [code, reason] = await closed;
  expect([code, String(reason)]).toEqual([
    CLOSE_CODES.unsupportedProtocol,
    `this hub speaks protocol ${PROTOCOL_VERSION}, the agent ${protocol}: upgrade ${older}; the agent enforces on`,
  ]);
  expect(frames).toEqual([]);
  expect(await bench.ledger.cluster('eu')).toBeNull();
});

const framesOf = (socket: WebSocket): HubFrame['type'][] => {
  const types: HubFrame['type'][] = [];
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (decoded.ok) types.push(decoded.frame.type);
  });
  return types;
};

it('keeps the stream of an agent whose frame waits for the ledger, however long, and lets go of one that really is silent', async () => {
  const own = await startDelivery(250);
  const stop = new AbortController();
  const running = own.delivery.run(stop.signal);
  try {
    const released = Promise.withResolvers<void>();
    own.slow.until = released.promise;
    const { socket, closed } = await own.connect('eu');
    const frames = framesOf(socket);
    let pongs = 0;
    socket.on('pong', () => {
      pongs += 1;
    });
    socket.send(hello(null));
    await expect.poll(() => frames).toEqual(['welcome']);
    socket.send(encodeReport({}));
    // The agent has not pinged: they stand for the answers that it would miss while the hub does not read.
    await expect.poll(() => pongs).toBeGreaterThan(2);
    expect([socket.readyState, frames]).toEqual([WebSocket.OPEN, ['welcome']]);
    // Heartbeats do not pile up either.
    expect(own.written.connected).toBe(1);
    released.resolve();
    await expect.poll(() => frames).toEqual(['welcome', 'reported']);
    await expect.poll(async () => (await own.ledger.cluster('eu'))?.connected).toBe(true);
    socket.pause();
    await expect.poll(() => own.delivery.connected()).toEqual([]);
    socket.resume();
    expect(await closed).toBe(1006);
  } finally {
    stop.abort();
    await running;
    await own.close();
  }
});

it('a report does not wait until the ack before it is written; another ack does, and an ack that fails ends the stream', async () => {
  const { acks, connect, targets } = bench;
  const report = encodeReport({});
  const { socket, closed } = await connect('eu');
  const frames = framesOf(socket);
  const revisions = ['a'.repeat(40), 'b'.repeat(40)];
  socket.send(hello(null));
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
  const otherFrames = framesOf(other.socket);
  other.socket.send(hello(null).replace('"eu"', '"us"'));
  other.socket.send(report);
  await expect.poll(() => otherFrames).toContain('reported');
  acks.until = Promise.reject(new Error('refused by the database'));
  acks.until.catch(nothing);
  written.resolve();
  expect(await closed).toBe(1011);
  expect(acks.steps).toEqual(['write a', 'written a', 'write b']);
});

it('keeps the agent away on whose frame the hub failed, and no other', async () => {
  const { connect, slow } = bench;
  slow.until = Promise.reject(new Error('refused by the database'));
  slow.until.catch(nothing);
  const { socket, closed } = await connect('eu');
  socket.send(hello(null));
  socket.send(encodeReport({}));
  expect(await closed).toBe(1011);
  await expect(connect('eu')).rejects.toThrow('429');
  expect((await connect('us')).socket.readyState).toBe(WebSocket.OPEN);
});

it('opens no more streams for a cluster than a few at once', async () => {
  const answers = await Promise.allSettled(Array.from({ length: 70 }, () => bench.connect('eu')));
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.map((answer) => String('reason' in answer && answer.reason))).toEqual(refused.map(() => expect.stringContaining('429')));
});

/** Sends reports as an agent that has said hello. @returns how often the hub has asked for everything */
const reportingAgent = async () => {
  const { socket } = await bench.connect('eu');
  const frames = framesOf(socket);
  socket.send(hello());
  await expect.poll(() => frames).toEqual(['welcome']);
  const names = new ReportedNames();
  const report = (frame: Partial<LooseReport>): void =>
    socket.send(encodeFrame(names.complete({ type: 'report', seq: 1, full: false, policies: [], removed: [], events: [], ...frame })));
  const digest = (seq: number): void => socket.send(JSON.stringify({ type: 'digest', digest: 'd', seq }));
  const of = (type: HubFrame['type']) => frames.filter((frame) => frame === type).length;
  const known = async () => [...((await bench.ledger.cluster('eu'))?.policies ?? [])].map(([key, { phase }]) => [key, phase]);
  return { socket, report, digest, of, known };
};

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
  // What the agent believes it sent can never be what the hub has: to ask again and again would change nothing.
  digest(1);
  report({ seq: 2, policies: [policyReport('good', { phase: 'Pending' })] });
  await expect.poll(() => of('reported')).toBe(2);
  expect([of('resync'), socket.readyState]).toEqual([0, WebSocket.OPEN]);
  report({ seq: 3, full: true, policies: [policyReport('good')] });
  digest(3);
  await expect.poll(() => of('resync')).toBe(1);
});

it('an agent that has accepted nothing takes the place of one that had: what that one did not report by name reads as not reported', async () => {
  const { ledger, connect } = bench;
  const desired = desiredOf();
  await ledger.setDesired(desired);
  const baseline = baselineOf(digestOfPolicies(desired.clusters.get('eu') ?? []));
  const before = await connect('eu');
  before.socket.send(hello().replace('"revision":null', `"revision":"${REVISION}"`));
  await once(before.socket, 'message');
  before.socket.send(encodeReport({ baseline }));
  await expect.poll(async () => [...((await ledger.cluster('eu'))?.policies.keys() ?? [])]).toEqual(['finance', 'hr']);
  const welcomeOf = async (revision: string | null): Promise<HubFrame | undefined> => {
    const { socket } = await connect('eu');
    const welcomed = once(socket, 'message');
    socket.send(hello().replace('"revision":null', `"revision":${JSON.stringify(revision)}`));
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

it('an agent has not said how its cluster is before the hub has all that it reports', async () => {
  const { confirmed } = bench;
  const { report, of } = await reportingAgent();
  const [first, second] = [policyReport('first'), policyReport('second')];
  const total = new ReportedNames().take({ full: true, policies: [first, second], removed: [] });
  report({ full: true, more: true, policies: [first], total });
  await expect.poll(() => of('reported')).toBe(1);
  report({ seq: 2, more: true, policies: [], total });
  await expect.poll(() => of('reported')).toBe(2);
  expect(confirmed).toEqual([]);
  report({ seq: 3, policies: [second], total });
  await expect.poll(() => confirmed).toEqual(['eu']);
});

it('a stream whose cluster has connected to another hub is closed with the next word of it, which changes nothing', async () => {
  const { ledger } = bench;
  const elsewhere = { id: 'elsewhere', isOpen: () => true };
  const report = encodeReport({});
  for (const speak of [(socket: WebSocket) => socket.send(report), (socket: WebSocket) => socket.pong()]) {
    const { socket, closed } = await bench.connect('eu');
    socket.send(hello());
    await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(true);
    const frames = framesOf(socket);
    await ledger.openStream('eu', elsewhere);
    speak(socket);
    expect(await closed).toBe(CLOSE_CODES.replaced);
    expect(frames).not.toContain('reported');
    expect(await ledger.cluster('eu')).toMatchObject({ connected: true, reportedSeq: 0 });
    await ledger.setConnected('eu', false, elsewhere);
  }
});

it('a cluster whose newer stream ends before it could be recorded is not connected by the older one', async () => {
  const { connect, ledger, slow } = bench;
  const older = await connect('eu');
  older.socket.send(hello());
  await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(true);
  const database = Promise.withResolvers<void>();
  slow.until = database.promise;
  const newer = await connect('eu');
  newer.socket.send(hello());
  expect(await older.closed).toBe(CLOSE_CODES.replaced);
  newer.socket.close();
  await newer.closed;
  await expect.poll(() => bench.delivery.connected()).toEqual([]);
  database.resolve();
  await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(false);
});

it('a hub that stops spreads the return of its agents, over longer the more they are', async () => {
  const { connect, delivery } = bench;
  const sockets = [await connect('eu'), await connect('us')];
  const reasons = sockets.map(
    ({ socket }) => new Promise<unknown>((resolve) => socket.once('close', (code, reason) => resolve([code, String(reason)]))),
  );
  await delivery.run(AbortSignal.abort());
  expect(await Promise.all(reasons)).toEqual([
    [1001, 'the hub stops; come back within 20 ms'],
    [1001, 'the hub stops; come back within 20 ms'],
  ]);
});

it('cuts off an agent that sends more than 64 KB before its welcome, in whatever parts, and takes larger frames after it', async () => {
  await bench.close();
  bench = await startDelivery(60_000, 45_000, 1024 * 1024);
  const large = encodeReport({
    seq: 1,
    full: true,
    policies: Array.from({ length: 200 }, (_, n) => policyReport(`p${n}`)),
  });
  expect(large.length).toBeGreaterThan(65_536);
  const greeted = await bench.connect('us');
  greeted.socket.send(hello().replace('"eu"', '"us"'));
  await once(greeted.socket, 'message');
  greeted.socket.send(large);
  await expect.poll(async () => (await bench.ledger.cluster('us'))?.policies.size).toBe(200);
  const { socket, closed } = await bench.connect('eu');
  for (let part = 0; part < 3; part += 1) socket.send('x'.repeat(30_000), { fin: false });
  expect(await closed).toBe(1006);
  // It comes back after a while.
  await expect(bench.connect('eu')).rejects.toThrow('429');
});

it('keeps an agent away whose frame cannot be read', async () => {
  const { socket, closed } = await bench.connect('eu');
  socket.send(hello());
  await once(socket, 'message');
  socket.send('{');
  expect(await closed).toBe(CLOSE_CODES.badFrame);
  await expect(bench.connect('eu')).rejects.toThrow('429');
});

it('tells agents to come later where too many wait to be greeted', async () => {
  const { connect } = bench;
  const greeted = [await connect('eu'), await connect('us')] as const;
  for (const [at, cluster] of ['eu', 'us'].entries()) {
    const { socket } = greeted[at] ?? greeted[0];
    const welcomed = new Promise((resolve) => socket.once('message', resolve));
    socket.send(hello().replace('"eu"', `"${cluster}"`));
    await welcomed;
  }
  const waiting = [await connect('eu'), await connect('us')] as const;
  for (const [at, cluster] of ['eu', 'us'].entries()) (waiting[at] ?? waiting[0]).socket.send(hello().replace('"eu"', `"${cluster}"`));
  const refused = async () => connect('eu').then(() => 'opened', String);
  await expect.poll(refused).toContain('503');
  // The first word of one lets the next one in.
  greeted[0].socket.send(encodeFrame({ type: 'digest', digest: EMPTY_DIGEST, seq: 0 }));
  await expect.poll(refused).toBe('opened');
});

it('after a pause of the hub takes nothing as known for a while, of agents that say their ages', async () => {
  await bench.close();
  bench = await startDelivery(15_000, 10);
  const { connect, delivery, ledger } = bench;
  const { socket } = await connect('eu', { autoPong: false });
  socket.send(hello());
  await once(socket, 'ping');
  delivery.suspendObservation();
  const notObserved = async () => (await ledger.cluster('eu'))?.notObserved?.what;
  expect(await notObserved()).toBeUndefined();
  socket.pong(encodeAges({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: ['Pod'] }));
  await expect.poll(notObserved).toEqual(['Pod']);
  socket.pong(encodeAges({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }));
  await expect.poll(notObserved).toBeUndefined();
  delivery.suspendObservation();
  expect(await notObserved()).toEqual(['HubPause']);
  const stop = new AbortController();
  const running = delivery.run(stop.signal);
  await expect.poll(notObserved).toBeUndefined();
  stop.abort();
  await running;
});

it('asks so many agents at a time for everything where the digests of all differ', async () => {
  const asked: string[] = [];
  const agents = await Promise.all(
    ['eu', 'us'].map(async (cluster) => {
      const { socket } = await bench.connect(cluster);
      const welcomed = new Promise((resolve) => socket.once('message', resolve));
      socket.on('message', (data) => {
        const decoded = decodeHubFrame(data as Buffer);
        if (decoded.ok && decoded.frame.type === 'resync') asked.push(cluster);
      });
      socket.send(hello().replace('"eu"', `"${cluster}"`));
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

it('sends each agent the next checkpoint in its turn', async () => {
  const { connect, delivery, ledger, checkpoints, held } = await startWithCheckpoint(150);
  const got: string[] = [];
  for (const cluster of ['eu', 'us']) {
    const { socket } = await connect(cluster);
    socket.on('message', (data) => {
      const decoded = decodeHubFrame(data as Buffer);
      if (decoded.ok && decoded.frame.type === 'checkpoint') got.push(cluster);
    });
    socket.send(hello(held).replace('"eu"', `"${cluster}"`));
    await once(socket, 'ping');
  }
  await ledger.audit.append(entry(2));
  const stop = new AbortController();
  const running = Promise.all([checkpoints.run(stop.signal), delivery.run(stop.signal)]);
  await expect.poll(() => new Set(got)).toEqual(new Set(['eu', 'us']));
  stop.abort();
  await running;
});

it('pings on while the way to the newest checkpoint cannot be read', async () => {
  const { connect, delivery, checkpoints, held } = await startWithCheckpoint(150);
  vi.spyOn(checkpoints, 'framesFor').mockReturnValue(new Promise(() => undefined));
  const { socket, closed } = await connect('eu');
  let pings = 0;
  socket.on('ping', () => {
    pings += 1;
  });
  socket.send(hello(held));
  const stop = new AbortController();
  const running = delivery.run(stop.signal);
  await expect.poll(() => pings).toBeGreaterThan(4);
  stop.abort();
  await running;
  expect(await closed).toBe(1001);
});
