import { FakeClock } from '@fso/shared/fake-clock';
import { expect, it } from 'vitest';
import { AgentBudget, DEFAULT_AGENT_LIMITS } from './pacing/agent-budget.ts';
import { createSessionDeps, SessionServer } from './testing/session-server.ts';

it('leaves endless pongs in the network, not in the hub', async () => {
  const clock = new FakeClock();
  const budget = new AgentBudget(clock, { ...DEFAULT_AGENT_LIMITS, frames: { burst: 1, perSecond: 1000 } });
  const server = await SessionServer.start(createSessionDeps(clock), { budget });
  let read = 0;
  const agent = await server.connect();
  server.sockets[0]?.on('pong', () => {
    read += 1;
  });
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

it('reports dropped events although the agent reports nothing more', async () => {
  const clock = new FakeClock();
  const deps = createSessionDeps(clock);
  const few = { burst: 1, perSecond: 0.001 };
  const events = { all: few, cluster: few, tenants: few, namespace: few };
  const budget = new AgentBudget(clock, { ...DEFAULT_AGENT_LIMITS, events });
  const event = { time: '2026-01-01T00:00:00.000Z', severity: 'info' as const, reason: 'Flood', message: 'again' };
  const server = await SessionServer.start(deps, { budget });
  const agent = await server.connect();
  const session = server.session();
  budget.admit([event, event, event]);
  budget.admit([event, event, event]);
  session.ping();
  expect(await deps.ledger.events({ limit: 10 })).toEqual([]);
  await clock.advance(60_000);
  session.ping();
  await expect.poll(() => deps.ledger.events({ limit: 10 })).toMatchObject([{ cluster: 'eu', reason: 'EventsDropped' }]);
  agent.terminate();
  server.close();
});
