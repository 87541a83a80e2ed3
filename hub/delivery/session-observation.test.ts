import { once } from 'node:events';
import { FakeClock } from '@fso/shared/fake-clock';
import { type Ages, encodeAges } from '@fso/shared/protocol';
import { expect, it } from 'vitest';
import { encodeHello } from './testing/frames.ts';
import { createSessionDeps, SessionServer } from './testing/session-server.ts';
import type { DeliveryDeps } from './types.ts';

/** Opens a session of an agent that sends its ages by itself. */
const openObserved = async (firstPong?: Partial<Ages>) => {
  const clock = new FakeClock();
  const deps = createSessionDeps(clock);
  const written: (readonly string[])[] = [];
  const noteObserved: DeliveryDeps['ledger']['noteObserved'] = async (cluster, outOfDate, stream) => {
    const before = await deps.ledger.cluster(cluster);
    await deps.ledger.noteObserved(cluster, outOfDate, stream);
    if ((await deps.ledger.cluster(cluster)) !== before) written.push(outOfDate);
  };
  const server = await SessionServer.start({ ...deps, ledger: { ...deps.ledger, noteObserved } });
  const agent = server.open('eu', { autoPong: false });
  let pings = 0;
  agent.on('ping', () => {
    pings += 1;
  });
  const say = (ages: Partial<Ages> = {}): void =>
    agent.pong(encodeAges({ oldestPartMs: 1_000, oldestKindMs: 1_000, outOfDate: [], ...ages }));
  await once(agent, 'open');
  if (firstPong !== undefined) say(firstPong);
  agent.send(encodeHello());
  await once(agent, 'message');
  const what = async () => (await deps.ledger.cluster('eu'))?.notObserved?.what;
  return { clock, deps, agent, session: server.session(), say, what, written, pings: () => pings, server };
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

it('opens the stream of an agent with what it sent before its welcome', async () => {
  const { agent, what, deps, written, server } = await openObserved({ outOfDate: ['Pause'] });
  await expect.poll(what).toEqual(['Pause']);
  const { changes } = await deps.ledger.clusterHistory({ cluster: 'eu', policy: 'a', limit: 9 });
  expect([changes, written]).toEqual([[], []]);
  agent.terminate();
  server.close();
});

it('shows a cluster as not observed once its ages have grown too large, and by the default without ages', async () => {
  const { clock, agent, session, say, what, deps, server } = await openObserved();
  await clock.advance(3_600_000);
  session.noteOverdue();
  expect(await what()).toBeUndefined();
  say({ oldestPartMs: 20_000 });
  await expect.poll(async () => (await deps.ledger.cluster('eu'))?.lastSeen?.at).toBe(clock.now().toISOString());
  await clock.advance(55_000);
  session.noteOverdue();
  await clock.advance(0);
  expect(await what()).toBeUndefined();
  await clock.advance(1);
  session.noteOverdue();
  await expect.poll(what).toEqual(['reconcile']);
  agent.terminate();
  server.close();
});

it('treats clusters as unknown after a pause of the hub, without a write, until agents send ages again', async () => {
  const { clock, agent, session, say, what, pings, written, deps, server } = await openObserved();
  expect(session.askAges()).toBe(false);
  await expect.poll(pings).toBe(2);
  say();
  await expect.poll(() => session.askAges()).toBe(true);
  deps.ledger.suspendObservation(['eu']);
  clock.stall(3_600_000);
  session.noteOverdue();
  await clock.advance(0);
  expect(await what()).toEqual(['HubPause']);
  say();
  await expect.poll(what).toBeUndefined();
  expect(written).toEqual([]);
  agent.terminate();
  server.close();
});
