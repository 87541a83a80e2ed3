import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { PolicyReport } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { GitObjectError } from '@fso/shared/git';
import {
  type Ages,
  type CheckpointFrame,
  EMPTY_DIGEST,
  encodeAges,
  encodeFrame,
  PROTOCOL_VERSION,
  type Report,
} from '@fso/shared/protocol';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import WebSocket, { WebSocketServer } from 'ws';
import { EMPTY_BASELINE, ReportedNames } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { createAuditKey, createCheckpoints } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { FrameDecoder } from './decoding/frame-decoder.ts';
import { RevisionTargets } from './offers.ts';
import { Admission } from './pacing/admission.ts';
import { AgentBudget, DEFAULT_AGENT_LIMITS } from './pacing/agent-budget.ts';
import { OfferLimit } from './pacing/offer-limit.ts';
import { Session } from './session.ts';
import { DEFAULT_LISTENER_LIMITS } from './sockets/agent-server.ts';
import type { DeliveryDeps, DeliveryOptions } from './types.ts';

const nothing = (): void => undefined;
/** Its offer is more than the buffers of a connection hold. */
const LARGE_REVISION = 'a'.repeat(40);

const createDeps = (clock: FakeClock): DeliveryDeps => {
  const ledger = createMemoryLedger({ clock });
  const logger = pino({ level: 'silent' });
  return {
    ledger,
    checkpoints: createCheckpoints({ ledger, key: createAuditKey(), clock, logger }),
    offers: { get: () => Promise.reject(new Error('no offers')), made: () => 0 },
    clock,
    logger,
    metrics: { connected: nothing, offered: nothing, nacked: nothing, reported: nothing },
    targets: new RevisionTargets(),
  };
};

const OPTIONS: DeliveryOptions = {
  version: 'test',
  limits: {
    helloMs: 60_000,
    maxSilent: 2,
    maxGreeted: 2,
    maxResyncs: 2,
    maxWaiting: 2,
    heartbeatMs: 60_000,
    ages: { partMs: 75_000, kindMs: 165_000 },
    suspendedMs: 45_000,
    stallMs: 60_000,
    maxBufferedBytes: 1024,
    maxOfferBytes: 1024,
    maxFrameBytes: 65_536,
    agent: DEFAULT_AGENT_LIMITS,
    listener: DEFAULT_LISTENER_LIMITS,
  },
};

const hello = encodeFrame({
  type: 'hello',
  protocol: PROTOCOL_VERSION,
  cluster: 'eu',
  revision: null,
  holds: null,
  anchor: null,
  agentVersion: 'test',
});

const startServer = async (): Promise<WebSocketServer> => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  return server;
};

const connect = async (server: WebSocketServer): Promise<WebSocket> => {
  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(agent, 'open');
  agent.send(hello);
  await once(agent, 'message');
  return agent;
};

it('pongs without end wait in the network and not in the hub', async () => {
  const clock = new FakeClock();
  const budget = new AgentBudget(clock, { ...DEFAULT_AGENT_LIMITS, frames: { burst: 1, perSecond: 1000 } });
  const server = await startServer();
  let read = 0;
  server.on('connection', (socket, { socket: connection }) => {
    socket.on('pong', () => {
      read += 1;
    });
    new Session(
      {
        cluster: 'eu',
        budget,
        socket,
        connection,
        admission: new Admission(1, clock),
        resyncs: new Admission(1, clock),
        offerLimit: new OfferLimit(1, clock),
        decoder: new FrameDecoder(clock),
      },
      OPTIONS,
      createDeps(clock),
      {
        onReady: nothing,
        onClosed: nothing,
      },
    );
  });
  const agent = await connect(server);
  const sent = 100_000;
  for (let i = 0; i < sent; i += 1) agent.pong();
  await expect.poll(() => read).toBeGreaterThan(0);
  // One pong is taken in each of these milliseconds, which is no reason to read more of them.
  for (let ms = 0; ms < 300; ms += 1) await clock.advance(1);
  // The network is read 64 KiB at a time, which are 10,922 pongs.
  expect(read).toBeLessThan(sent / 3);
  agent.terminate();
  server.close();
});

it('forgets an agent that goes away while it waits for its turn', async () => {
  const clock = new FakeClock();
  const server = await startServer();
  const admission = new Admission(1, clock);
  const deps = createDeps(clock);
  server.on('connection', (socket, { socket: connection }) => {
    const owner = {
      cluster: 'eu',
      budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS),
      socket,
      connection,
      admission,
      resyncs: new Admission(1, clock),
      offerLimit: new OfferLimit(1, clock),
      decoder: new FrameDecoder(clock),
    };
    new Session(owner, OPTIONS, deps, { onReady: nothing, onClosed: nothing });
  });
  const first = await connect(server);
  const second = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await once(second, 'open');
  second.send(hello);
  await expect.poll(() => admission.waiting).toBe(1);
  // It is answered meanwhile, and its close is heard.
  second.ping();
  await once(second, 'pong');
  second.close();
  await once(second, 'close');
  await expect.poll(() => admission.waiting).toBe(0);
  first.terminate();
  server.close();
});

it('greets the next agent once the one before has said its first word, has gone, or says nothing', async () => {
  const clock = new FakeClock();
  const server = await startServer();
  const admission = new Admission(1, clock);
  const deps = createDeps(clock);
  let count = 0;
  server.on('connection', (socket, { socket: connection }) => {
    count += 1;
    const owner = {
      cluster: `c${count}`,
      budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS),
      socket,
      connection,
      admission,
      resyncs: new Admission(1, clock),
      offerLimit: new OfferLimit(1, clock),
      decoder: new FrameDecoder(clock),
    };
    new Session(owner, OPTIONS, deps, { onReady: nothing, onClosed: nothing });
  });
  const open = async (cluster: string) => {
    const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
    await once(agent, 'open');
    agent.send(hello.replace('"eu"', `"${cluster}"`));
    const greeted = once(agent, 'message');
    return { agent, greeted };
  };
  const [first, second, third, fourth] = [await open('c1'), await open('c2'), await open('c3'), await open('c4')];
  await first.greeted;
  await expect.poll(() => admission.waiting).toBe(3);
  first.agent.send(encodeFrame({ type: 'digest', digest: EMPTY_DIGEST, seq: 0 }));
  await second.greeted;
  second.agent.terminate();
  await third.greeted;
  expect(admission.waiting).toBe(1);
  await clock.advance(10_000);
  await fourth.greeted;
  for (const { agent } of [first, third, fourth]) agent.terminate();
  server.close();
});

it('an agent that waits to be asked for everything holds nobody up, and its turn ends with the last frame of its report', async () => {
  const clock = new FakeClock();
  const server = await startServer();
  const [admission, resyncs] = [new Admission(1, clock), new Admission(1, clock)];
  const deps = createDeps(clock);
  server.on('connection', (socket, { socket: connection }) => {
    const owner = { cluster: 'eu', budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS), socket, connection, admission, resyncs };
    const shared = { offerLimit: new OfferLimit(1, clock), decoder: new FrameDecoder(clock) };
    new Session({ ...owner, ...shared }, OPTIONS, deps, { onReady: nothing, onClosed: nothing });
  });
  const open = new AbortController().signal;
  const leave = await resyncs.enter(open);
  const agent = await connect(server);
  const received: string[] = [];
  agent.on('message', (data) => {
    const { type, seq = '' } = JSON.parse(String(data));
    received.push(`${type} ${seq}`);
  });
  const reportOf = (seq: number, policies: PolicyReport[], sent: PolicyReport[], change: Partial<Report> = {}): string => {
    const total = new ReportedNames().take({ full: true, policies: sent, removed: [] });
    return encodeFrame({
      type: 'report',
      seq,
      full: false,
      baseline: EMPTY_BASELINE,
      deviations: [],
      policies,
      removed: [],
      events: [],
      total,
      ...change,
    });
  };
  const [first, second] = [policyReport('first'), policyReport('second')];
  agent.send(encodeFrame({ type: 'digest', digest: 'another', seq: 0 }));
  await expect.poll(() => resyncs.waiting).toBe(1);
  // Its place among those that are greeted is free.
  (await admission.enter(open))();
  // What fits on what is known counts.
  agent.send(reportOf(1, [first], [first]));
  await expect.poll(() => received).toEqual(['reported 1']);
  leave();
  await expect.poll(() => received).toEqual(['reported 1', 'resync ']);
  let isFree = false;
  const next = resyncs.enter(open).then(() => {
    isFree = true;
  });
  agent.send(reportOf(2, [first], [first, second], { full: true, more: true }));
  await expect.poll(() => received.at(-1)).toBe('reported 2');
  expect(isFree).toBe(false);
  agent.send(reportOf(3, [second], [first, second]));
  await next;
  agent.terminate();
  server.close();
});

it('sends no checkpoint while an offer is under way, and the newest once it is through', async () => {
  const clock = new FakeClock();
  const server = await startServer();
  const deps = createDeps(clock);
  let sequence = 0;
  const framesFor = async () => [{ type: 'checkpoint', checkpoint: { sequence } }] as unknown as CheckpointFrame[];
  const offer = { revision: 'a'.repeat(40), objects: 0, shared: Buffer.alloc(32 * 1024 * 1024, '"'), own: Buffer.alloc(1, '"') };
  const checkpoints = { ...deps.checkpoints, framesFor };
  const accepted = once(server, 'connection').then(([socket, { socket: connection }]) => {
    const turns = { admission: new Admission(1, clock), resyncs: new Admission(1, clock), offerLimit: new OfferLimit(1, clock) };
    const owner = {
      cluster: 'eu',
      budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS),
      socket,
      connection,
      decoder: new FrameDecoder(clock),
    };
    const hooks = { onReady: nothing, onClosed: nothing };
    return new Session({ ...owner, ...turns }, OPTIONS, { ...deps, checkpoints, offers: { get: async () => offer, made: () => 0 } }, hooks);
  });
  const agent = await connect(server);
  const session = await accepted;
  const received: unknown[] = [];
  agent.on('message', (data) => {
    const text = String(data);
    received.push(text.startsWith('""') ? 'offer' : JSON.parse(text).checkpoint.sequence);
  });
  agent.pause();
  session.offer(offer.revision);
  await expect.poll(async () => (await deps.ledger.cluster('eu'))?.offeredRevision).toBe(offer.revision);
  for (sequence = 1; sequence < 10; sequence += 1) expect(await session.sendCheckpoint()).toBe(0);
  agent.resume();
  await expect.poll(() => received.filter((what) => what !== 0)).toEqual(['offer']);
  await expect.poll(() => session.sendCheckpoint()).toBeGreaterThan(0);
  await expect.poll(() => received.filter((what) => what !== 0)).toEqual(['offer', 10]);
  agent.terminate();
  server.close();
});

it('makes no offer for an agent that takes nothing, cuts it off, and greets it later than others until it takes one', async () => {
  const clock = new FakeClock();
  const server = await startServer();
  const deps = createDeps(clock);
  const budget = new AgentBudget(clock, DEFAULT_AGENT_LIMITS);
  const made: string[] = [];
  const frame = (revision: string): string => encodeFrame({ type: 'offer', revision, anchor: null, chain: [revision], objects: [] });
  const get: DeliveryDeps['offers']['get'] = async (_agent, revision) => {
    made.push(revision);
    const bytes = revision === LARGE_REVISION ? 32 * 1024 * 1024 : 0;
    return { revision, objects: 0, shared: Buffer.from(frame(revision)), own: Buffer.alloc(bytes, ' ') };
  };
  const opened: Session[] = [];
  server.on('connection', (socket, { socket: connection }) => {
    const turns = { admission: new Admission(1, clock), resyncs: new Admission(1, clock), offerLimit: new OfferLimit(1, clock) };
    const owner = { cluster: 'eu', budget, socket, connection, decoder: new FrameDecoder(clock), ...turns };
    opened.push(new Session(owner, OPTIONS, { ...deps, offers: { get, made: () => 0 } }, { onReady: nothing, onClosed: nothing }));
  });
  const stuck = await connect(server);
  stuck.pause();
  opened[0]?.offer(LARGE_REVISION);
  await expect.poll(async () => (await deps.ledger.cluster('eu'))?.offeredRevision).toBe(LARGE_REVISION);
  for (const revision of ['b', 'c', 'd']) opened[0]?.offer(revision.repeat(40));
  expect(made).toEqual([LARGE_REVISION]);
  opened[0]?.ping();
  opened[0]?.ping();
  expect(budget.stalls.leftMs()).toBe(15_000);
  stuck.terminate();

  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const received: string[] = [];
  agent.on('message', (data) => received.push(JSON.parse(String(data)).type));
  await once(agent, 'open');
  agent.send(hello);
  agent.ping();
  await once(agent, 'pong');
  await clock.advance(14_000);
  agent.ping();
  await once(agent, 'pong');
  expect(received).toEqual([]);
  await clock.advance(1_000);
  await expect.poll(() => received).toContain('welcome');
  opened[1]?.offer('d'.repeat(40));
  agent.pong();
  agent.ping();
  await once(agent, 'pong');
  expect(made).toEqual([LARGE_REVISION]);
  // It has shown that it reads.
  opened[1]?.ping();
  await expect.poll(() => received).toContain('offer');
  agent.send(encodeFrame({ type: 'ack', revision: 'd'.repeat(40), digest: 'digest' }));
  await expect.poll(() => budget.stalls.leftMs()).toBe(0);
  agent.terminate();
  server.close();
});

/** A session of an agent that sends its ages by itself. */
const openObserved = async (firstPong?: Partial<Ages>) => {
  const clock = new FakeClock();
  const deps = createDeps(clock);
  const written: (readonly string[])[] = [];
  const noteObserved: DeliveryDeps['ledger']['noteObserved'] = async (cluster, outOfDate, stream) => {
    const before = await deps.ledger.cluster(cluster);
    await deps.ledger.noteObserved(cluster, outOfDate, stream);
    if ((await deps.ledger.cluster(cluster)) !== before) written.push(outOfDate);
  };
  const server = await startServer();
  const accepted = once(server, 'connection').then(([socket, { socket: connection }]) => {
    const turns = { admission: new Admission(1, clock), resyncs: new Admission(1, clock) };
    const owner = { cluster: 'eu', budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS), socket, connection, ...turns };
    return new Session(
      { ...owner, offerLimit: new OfferLimit(1, clock), decoder: new FrameDecoder(clock) },
      OPTIONS,
      { ...deps, ledger: { ...deps.ledger, noteObserved } },
      { onReady: nothing, onClosed: nothing },
    );
  });
  const agent = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, { autoPong: false });
  let pings = 0;
  agent.on('ping', () => {
    pings += 1;
  });
  const say = (ages: Partial<Ages> = {}): void =>
    agent.pong(encodeAges({ oldestPartMs: 1_000, oldestKindMs: 1_000, outOfDate: [], ...ages }));
  await once(agent, 'open');
  if (firstPong !== undefined) say(firstPong);
  agent.send(hello);
  await once(agent, 'message');
  const what = async () => (await deps.ledger.cluster('eu'))?.notObserved?.what;
  return { clock, deps, agent, session: await accepted, say, what, written, pings: () => pings, server };
};

it('writes once that an agent does not observe its cluster, and once that it does again', async () => {
  const { agent, say, what, written, pings, server, clock } = await openObserved();
  // Asked at once, beside the pings of the heartbeat.
  await expect.poll(pings).toBe(1);
  say();
  say({ outOfDate: ['Pod', 'status'] });
  await expect.poll(what).toEqual(['status', 'Pod']);
  for (let pong = 0; pong < 5; pong += 1) {
    await clock.advance(60_000);
    say({ outOfDate: ['Pod', 'status'] });
  }
  await clock.advance(60_000);
  say();
  await expect.poll(what).toBeUndefined();
  expect(written).toEqual([['status', 'Pod'], []]);
  agent.terminate();
  server.close();
});

it('opens the stream of an agent with what it said before it was greeted', async () => {
  const { agent, what, deps, written, server } = await openObserved({ outOfDate: ['Pause'] });
  await expect.poll(what).toEqual(['Pause']);
  const { changes } = await deps.ledger.clusterHistory({ cluster: 'eu', policy: 'a', limit: 9 });
  expect([changes, written]).toEqual([[], []]);
  agent.terminate();
  server.close();
});

it('takes a cluster as not observed once ages have grown too large by themselves, and as today where none were said', async () => {
  const { clock, agent, session, say, what, deps, server } = await openObserved();
  await clock.advance(3_600_000);
  session.lookAtAges();
  expect(await what()).toBeUndefined();
  say({ oldestPartMs: 20_000 });
  await expect.poll(async () => (await deps.ledger.cluster('eu'))?.lastSeen?.at).toBe(clock.now().toISOString());
  await clock.advance(55_000);
  session.lookAtAges();
  await clock.advance(0);
  expect(await what()).toBeUndefined();
  await clock.advance(1);
  session.lookAtAges();
  await expect.poll(what).toEqual(['reconcile']);
  agent.terminate();
  server.close();
});

it('takes nothing as known after a pause of the hub, without a write, until the agent has said its ages again', async () => {
  const { clock, agent, session, say, what, pings, written, deps, server } = await openObserved();
  expect(session.askAges()).toBe(false);
  await expect.poll(pings).toBe(2);
  say();
  await expect.poll(() => session.askAges()).toBe(true);
  deps.ledger.suspendObservation(['eu']);
  clock.stall(3_600_000);
  session.lookAtAges();
  await clock.advance(0);
  expect(await what()).toEqual(['HubPause']);
  say();
  await expect.poll(what).toBeUndefined();
  expect(written).toEqual([]);
  agent.terminate();
  server.close();
});

it('tells of events that were dropped although the agent reports nothing more', async () => {
  const clock = new FakeClock();
  const deps = createDeps(clock);
  const few = { burst: 1, perSecond: 0.001 };
  const events = { all: few, cluster: few, tenants: few, namespace: few };
  const budget = new AgentBudget(clock, { ...DEFAULT_AGENT_LIMITS, events });
  const event = { time: '2026-01-01T00:00:00.000Z', severity: 'info' as const, reason: 'Flood', message: 'again' };
  const server = await startServer();
  const accepted = once(server, 'connection').then(([socket, { socket: connection }]) => {
    const turns = { admission: new Admission(1, clock), resyncs: new Admission(1, clock), offerLimit: new OfferLimit(1, clock) };
    const decoder = new FrameDecoder(clock);
    return new Session({ cluster: 'eu', budget, socket, connection, ...turns, decoder }, OPTIONS, deps, {
      onReady: nothing,
      onClosed: nothing,
    });
  });
  const agent = await connect(server);
  const session = await accepted;
  budget.events.admit([event, event, event]);
  budget.events.admit([event, event, event]);
  session.ping();
  expect(await deps.ledger.events({ limit: 10 })).toEqual([]);
  await clock.advance(60_000);
  session.ping();
  await expect.poll(() => deps.ledger.events({ limit: 10 })).toMatchObject([{ cluster: 'eu', reason: 'EventsDropped' }]);
  agent.terminate();
  server.close();
});

it('records a refusal in the place of the agent where an object of the revision cannot be read, and stays connected', async () => {
  const clock = new FakeClock();
  const server = await startServer();
  const broken = new GitObjectError('the tree ends within an entry');
  const deps: DeliveryDeps = { ...createDeps(clock), offers: { get: () => Promise.reject(broken), made: () => 0 } };
  const revision = '1'.repeat(40);
  deps.targets.setTarget(revision);
  server.on('connection', (socket, { socket: connection }) => {
    const owner = {
      cluster: 'eu',
      budget: new AgentBudget(clock, DEFAULT_AGENT_LIMITS),
      socket,
      connection,
      admission: new Admission(1, clock),
      resyncs: new Admission(1, clock),
      offerLimit: new OfferLimit(1, clock),
      decoder: new FrameDecoder(clock),
    };
    new Session(owner, OPTIONS, deps, { onReady: nothing, onClosed: nothing });
  });
  const agent = await connect(server);
  await expect
    .poll(async () => (await deps.ledger.cluster('eu'))?.nack)
    .toMatchObject({ revision, reasons: [{ message: broken.message }] });
  expect(agent.readyState).toBe(WebSocket.OPEN);
  agent.terminate();
  server.close();
});
