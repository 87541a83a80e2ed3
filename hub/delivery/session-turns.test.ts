import { once } from 'node:events';
import type { PolicyReport } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import { EMPTY_DIGEST, encodeFrame, type Report } from '@fso/shared/protocol';
import { expect, it } from 'vitest';
import { EMPTY_BASELINE, ReportedNames } from '../../test/harness/baselines.ts';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { TurnLimiter } from './pacing/turn-limiter.ts';
import { encodeHello } from './testing/frames.ts';
import { createSessionDeps, SessionServer } from './testing/session-server.ts';

it('drops an agent that disconnects while it waits for its turn', async () => {
  const clock = new FakeClock();
  const handshakeTurns = new TurnLimiter(1, clock);
  const deps = createSessionDeps(clock);
  const server = await SessionServer.start(deps, { handshakeTurns });
  const first = await server.connect();
  const second = server.open();
  await once(second, 'open');
  second.send(encodeHello());
  await expect.poll(() => handshakeTurns.waiting).toBe(1);
  // It is answered meanwhile, and its close is heard.
  second.ping();
  await once(second, 'pong');
  second.close();
  await once(second, 'close');
  await expect.poll(() => handshakeTurns.waiting).toBe(0);
  first.terminate();
  server.close();
});

it('welcomes the next agent once the previous one has sent its first frame, is gone or stays silent', async () => {
  const clock = new FakeClock();
  const handshakeTurns = new TurnLimiter(1, clock);
  const deps = createSessionDeps(clock);
  const server = await SessionServer.start(deps, { handshakeTurns });
  const open = async (cluster: string) => {
    const agent = server.open(cluster);
    await once(agent, 'open');
    agent.send(encodeHello({ cluster }));
    const greeted = once(agent, 'message');
    return { agent, greeted };
  };
  const [first, second, third, fourth] = [await open('c1'), await open('c2'), await open('c3'), await open('c4')];
  await first.greeted;
  await expect.poll(() => handshakeTurns.waiting).toBe(3);
  first.agent.send(encodeFrame({ type: 'digest', digest: EMPTY_DIGEST, seq: 0 }));
  await second.greeted;
  second.agent.terminate();
  await third.greeted;
  expect(handshakeTurns.waiting).toBe(1);
  await clock.advance(10_000);
  await fourth.greeted;
  for (const { agent } of [first, third, fourth]) agent.terminate();
  server.close();
});

it('does not block others for an agent that waits for its turn, which ends with the last frame of its report', async () => {
  const clock = new FakeClock();
  const [handshakeTurns, resyncs] = [new TurnLimiter(1, clock), new TurnLimiter(1, clock)];
  const deps = createSessionDeps(clock);
  const server = await SessionServer.start(deps, { handshakeTurns, resyncs });
  const open = new AbortController().signal;
  const leave = await resyncs.enter(open);
  const agent = await server.connect();
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
  (await handshakeTurns.enter(open))();
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
