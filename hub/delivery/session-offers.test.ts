import { once } from 'node:events';
import { FakeClock } from '@fso/shared/fake-clock';
import { GitObjectError } from '@fso/shared/git';
import { type Approvals, type CheckpointFrame, encodeFrame } from '@fso/shared/protocol';
import { expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import type { EncodedOffer } from './offers/offers.ts';
import { Outbox } from './outbox.ts';
import { AgentBudget, DEFAULT_AGENT_LIMITS } from './pacing/agent-budget.ts';
import { encodeHello } from './testing/frames.ts';
import { createSessionDeps, SessionServer } from './testing/session-server.ts';
import type { DeliveryDeps } from './types.ts';

/** Makes an offer without objects. */
const offerOf = (revision: string): EncodedOffer => ({
  revision,
  objects: 0,
  shared: Buffer.from(`{"type":"offer","revision":"${revision}"`),
  own: Buffer.from('}'),
});

/** Its offer is more than the buffers of a connection hold. */
const LARGE_REVISION = 'a'.repeat(40);

it('sends no checkpoint while an offer is under way, and the newest once it is through', async () => {
  const clock = new FakeClock();
  const deps = createSessionDeps(clock);
  let sequence = 0;
  const framesFor = async () => [{ type: 'checkpoint', checkpoint: { sequence } }] as unknown as CheckpointFrame[];
  const offer = { revision: 'a'.repeat(40), objects: 0, shared: Buffer.alloc(32 * 1024 * 1024, '"'), own: Buffer.alloc(1, '"') };
  const checkpoints = { ...deps.checkpoints, framesFor };
  const offered = vi.fn<() => void>();
  const metrics = { ...deps.metrics, offered };
  const server = await SessionServer.start({
    ...deps,
    checkpoints,
    metrics,
    offers: { get: async () => offer, advance: async () => undefined, made: () => 0 },
  });
  const agent = await server.connect();
  const session = server.session();
  const received: unknown[] = [];
  agent.on('message', (data) => {
    const text = String(data);
    received.push(text.startsWith('""') ? 'offer' : JSON.parse(text).checkpoint.sequence);
  });
  agent.pause();
  session.offer(offer.revision);
  await expect.poll(() => offered.mock.calls.length).toBe(1);
  for (sequence = 1; sequence < 10; sequence += 1) expect(await session.sendCheckpoint()).toBe(0);
  agent.resume();
  await expect.poll(() => received.filter((what) => what !== 0)).toEqual(['offer']);
  await expect.poll(() => session.sendCheckpoint()).toBeGreaterThan(0);
  await expect.poll(() => received.filter((what) => what !== 0)).toEqual(['offer', 10]);
  agent.terminate();
  server.close();
});

it('makes no offer for an agent that reads nothing, closes it, and delays its welcome until it accepts one', async () => {
  const clock = new FakeClock();
  const deps = createSessionDeps(clock);
  const budget = new AgentBudget(clock, DEFAULT_AGENT_LIMITS);
  const made: string[] = [];
  const frame = (revision: string): string => encodeFrame({ type: 'offer', revision, anchor: null, chain: [revision], objects: [] });
  const get: DeliveryDeps['offers']['get'] = async (_agent, revision) => {
    made.push(revision);
    const bytes = revision === LARGE_REVISION ? 32 * 1024 * 1024 : 0;
    return { revision, objects: 0, shared: Buffer.from(frame(revision)), own: Buffer.alloc(bytes, ' ') };
  };
  const offered = vi.fn<() => void>();
  const server = await SessionServer.start(
    { ...deps, metrics: { ...deps.metrics, offered }, offers: { get, advance: async () => undefined, made: () => 0 } },
    { budget },
  );
  const stuck = await server.connect();
  stuck.pause();
  server.session().offer(LARGE_REVISION);
  await expect.poll(() => offered.mock.calls.length).toBe(1);
  for (const revision of ['b', 'c', 'd']) server.session().offer(revision.repeat(40));
  expect(made).toEqual([LARGE_REVISION]);
  server.session().ping();
  server.session().ping();
  expect(budget.stalls.leftMs()).toBe(15_000);
  stuck.terminate();

  const agent = server.open();
  const received: string[] = [];
  agent.on('message', (data) => received.push(JSON.parse(String(data)).type));
  await once(agent, 'open');
  agent.send(encodeHello());
  agent.ping();
  await once(agent, 'pong');
  await clock.advance(14_000);
  agent.ping();
  await once(agent, 'pong');
  expect(received).toEqual([]);
  await clock.advance(1_000);
  await expect.poll(() => received).toContain('welcome');
  server.session(1).offer('d'.repeat(40));
  agent.pong();
  agent.ping();
  await once(agent, 'pong');
  expect(made).toEqual([LARGE_REVISION]);
  // It has shown that it reads.
  server.session(1).ping();
  await expect.poll(() => received).toContain('offer');
  agent.send(encodeFrame({ type: 'ack', revision: 'd'.repeat(40), digest: 'digest' }));
  await expect.poll(() => budget.stalls.leftMs()).toBe(0);
  agent.terminate();
  server.close();
});

it('records a refusal for the agent where an object of the revision cannot be read, and stays connected', async () => {
  const clock = new FakeClock();
  const broken = new GitObjectError('the tree ends within an entry');
  const deps: DeliveryDeps = {
    ...createSessionDeps(clock),
    offers: { get: () => Promise.reject(broken), advance: async () => undefined, made: () => 0 },
  };
  const server = await SessionServer.start(deps);
  const revision = '1'.repeat(40);
  deps.targets.setTarget(revision);
  const agent = await server.connect();
  await expect
    .poll(async () => (await deps.ledger.cluster('eu'))?.nack)
    .toMatchObject({ revision, reasons: [{ message: broken.message }] });
  expect(agent.readyState).toBe(WebSocket.OPEN);
  agent.terminate();
  server.close();
});

it('writes an offer down with its answer, or when none comes', async () => {
  const clock = new FakeClock();
  const deps = createSessionDeps(clock);
  const offered = vi.fn<() => void>();
  const offers: DeliveryDeps['offers'] = {
    get: async (_agent, revision) => offerOf(revision),
    advance: async () => undefined,
    made: () => 0,
  };
  const server = await SessionServer.start({ ...deps, metrics: { ...deps.metrics, offered }, offers });
  const agent = await server.connect();
  const session = server.session();
  const [first, second] = ['1', '2'].map((digit) => digit.repeat(40)) as [string, string];
  const read = async () => {
    const { offeredRevision, offeredAt, acked } = (await deps.ledger.cluster('eu')) ?? {};
    return [offeredRevision, offeredAt, acked?.revision];
  };
  session.offer(first);
  await expect.poll(() => offered.mock.calls.length).toBe(1);
  const at = clock.now().toISOString();
  await clock.advance(1_000);
  session.noteOverdue();
  agent.send(encodeFrame({ type: 'ack', revision: first, digest: 'digest' }));
  await expect.poll(async () => (await read())[2]).toBe(first);
  expect(await read()).toEqual([first, at, first]);

  session.offer(second);
  await expect.poll(() => offered.mock.calls.length).toBe(2);
  const later = clock.now().toISOString();
  await clock.advance(2_000);
  session.noteOverdue();
  await expect.poll(async () => (await read())[0]).toBe(second);
  expect(await read()).toEqual([second, later, first]);
  agent.terminate();
  server.close();
});

it('sends the tags about a commit ahead of it, as bytes that all agents share', async () => {
  const deps = createSessionDeps(new FakeClock());
  const revision = 'b'.repeat(40);
  const approvals: Approvals = { type: 'approvals', revision, tags: ['AAAA'] };
  const server = await SessionServer.start({ ...deps, approvals: { of: (about) => (about === revision ? approvals : undefined) } });
  const sent: unknown[] = [];
  vi.spyOn(Outbox.prototype, 'send').mockImplementation((payload) => void sent.push(payload));
  for (const at of [0, 1]) {
    const agent = server.open();
    await once(agent, 'open');
    server.session(at).offer(revision);
    server.session(at).offer(revision);
    agent.terminate();
  }
  vi.restoreAllMocks();
  expect(sent).toHaveLength(2);
  expect([Buffer.isBuffer(sent[0]), sent[0] === sent[1]]).toEqual([true, true]);
  server.close();
});

it('offers no commit older than the one in the hello, which the ledger may lack', async () => {
  const deps = createSessionDeps(new FakeClock());
  const server = await SessionServer.start({
    ...deps,
    offers: { get: async (_agent, revision) => offerOf(revision), advance: async () => undefined, made: () => 0 },
  });
  const [older, has, newest] = ['1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string];
  const order = [older, has, newest];
  const laterOf = (target: string, held: string) => order[Math.max(order.indexOf(target), order.indexOf(held))] ?? target;
  deps.targets.setTarget(newest, new Map([['eu', older]]), laterOf);
  const agent = server.open();
  const offers: string[] = [];
  agent.on('message', (data) => {
    const frame = JSON.parse(String(data));
    if (frame.type === 'offer') offers.push(frame.revision);
  });
  await once(agent, 'open');
  agent.send(encodeHello({ revision: has }));
  await expect.poll(async () => (await deps.ledger.cluster('eu'))?.acked?.revision).toBe(has);
  server.session().offer(older);
  server.session().offer(newest);
  await expect.poll(() => offers).toEqual([newest]);
  agent.terminate();
  server.close();
});

it('shows an agent whose wave waits the newest commit, once, after it has the one of its wave', async () => {
  const deps = createSessionDeps(new FakeClock());
  const offered: unknown[] = [];
  const offers: DeliveryDeps['offers'] = {
    get: async ({ anchor }, revision) => {
      offered.push([anchor, revision]);
      return offerOf(revision);
    },
    advance: async (anchor, revision) => Buffer.from(encodeFrame({ type: 'advance', revision, anchor, chain: [revision], objects: [] })),
    made: () => 0,
  };
  const server = await SessionServer.start({ ...deps, offers });
  const [older, newest, last] = ['1', '2', '3'].map((digit) => digit.repeat(40)) as [string, string, string];
  const held = new Map([['eu', older]]);
  deps.targets.setTarget(newest, held);
  const agent = await server.connect();
  const shown: unknown[] = [];
  agent.on('message', (data) => {
    const frame = JSON.parse(String(data));
    if (frame.type === 'advance') shown.push([frame.anchor, frame.revision]);
  });
  server.session().noteOverdue();
  agent.send(encodeFrame({ type: 'ack', revision: older, digest: 'digest' }));
  await expect.poll(async () => (await deps.ledger.cluster('eu'))?.acked?.revision).toBe(older);
  for (let second = 0; second < 3; second += 1) server.session().noteOverdue();
  await expect.poll(() => shown).toEqual([[older, newest]]);
  deps.targets.setTarget(last, held);
  server.session().offer(older);
  await expect
    .poll(() => shown)
    .toEqual([
      [older, newest],
      [older, last],
    ]);
  deps.targets.setTarget(last);
  server.session().offer(last);
  await expect
    .poll(() => offered)
    .toEqual([
      [null, older],
      [older, last],
    ]);
  server.session().noteOverdue();
  expect(shown).toHaveLength(2);
  agent.terminate();
  server.close();
});
