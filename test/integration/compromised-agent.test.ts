/**
 * Harm that the agent of one cluster could do to the hub and to other clusters with a valid
 * identity.
 */
import type { ClusterEvent } from '@fso/shared/api';
import pino from 'pino';
import { afterEach, expect, it } from 'vitest';
import { DEFAULT_AGENT_LIMITS } from '../../hub/delivery/index.ts';
import { type HubHarness, openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { policyReport } from '../harness/policy-reports.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';

let bench: HubHarness;
afterEach(() => bench.close());

type StartOptions = NonNullable<Parameters<HubHarness['startHub']>[0]>;

const start = async ({ deps, ...change }: StartOptions = {}) => {
  bench = await openHubHarness();
  const revision = await bench.repository.commit(basicRepository(), 'first');
  const messages: unknown[] = [];
  const logger = pino({}, { write: (line: string) => void messages.push(JSON.parse(line).msg) });
  const hub = await bench.startHub({ ...change, deps: { logger, ...deps } });
  return { hub, revision, messages };
};

const report = { type: 'report' as const, seq: 1, full: true, policies: [], removed: [], events: [] };
/** Sends a frame. @returns whether the hub accepts it or closes the stream */
const answered = (stream: StreamClient) => Promise.race([stream.closed, stream.next('reported')]);

it('refuses numbers and texts that no column of the ledger can store', async () => {
  const { hub, revision, messages } = await start();
  const violations = 3_000_000_000;
  const poisoned = await bench.agent(hub, 'eu');
  await poisoned.next('offer');
  poisoned.send({ ...report, policies: [policyReport('x', { phase: 'Failed', violations })] });
  await answered(poisoned);
  const second = await bench.agent(hub, 'eu');
  await second.next('offer');
  second.send({ type: 'ack', revision, digest: 'nul \u0000 in it' });
  second.send(report);
  await answered(second);
  const other = await bench.agent(hub, 'us');
  other.send(report);
  expect((await other.next('reported')).seq).toBe(1);
  expect(messages).not.toContain('write refused by the ledger database');
});

const flood = (from: number, severity: ClusterEvent['severity'] = 'info'): ClusterEvent[] =>
  Array.from({ length: 1000 }, (_, i) => ({
    time: '2026-01-01T00:00:00Z',
    severity,
    reason: 'Flood',
    message: `no ${from + i}`,
  }));

it('counts events beyond the allowance of one cluster, over all its connections', async () => {
  const { hub } = await start();
  for (let round = 0; round < 3; round += 1) {
    const eu = await bench.agent(hub, 'eu');
    await eu.greeted;
    eu.send({ ...report, events: flood(round * 1000) });
    await eu.next('reported');
    eu.terminate();
  }
  const countOf = async (wanted: string) =>
    (await hub.ledger.events({ cluster: 'eu', limit: 5000 })).filter(({ reason }) => reason === wanted).length;
  await expect.poll(() => countOf('EventsDropped')).toBeGreaterThan(0);
  // Each second allows 10 more, however long the test takes.
  expect(await countOf('Flood')).toBeLessThan(3000);
});

it('keeps repairs of tampering beside any number of events that tenants cause', async () => {
  const { hub } = await start();
  const eu = await bench.agent(hub, 'eu');
  await eu.greeted;
  const conflicts = flood(0, 'alert').map((event, index) => ({ ...event, reason: 'Conflict', policy: `team-${index % 30}/p` }));
  eu.send({ ...report, events: conflicts });
  await eu.next('reported');
  const repair = { ...conflicts[0], reason: 'TamperingRepaired', policy: 'team-1/p' } as ClusterEvent;
  eu.send({ ...report, seq: 2, full: false, events: [...conflicts.slice(1), repair] });
  await expect
    .poll(async () => (await hub.ledger.events({ cluster: 'eu', limit: 5000 })).map(({ reason }) => reason))
    .toContain('TamperingRepaired');
});

it('bounds a frame by the policies of the commit, and all frames before the welcome together', async () => {
  const { hub } = await start();
  const greeted = await bench.agent(hub, 'eu');
  await greeted.next('offer');
  greeted.sendRaw(' '.repeat(17 * 1024 * 1024));
  expect((await greeted.closed).code).toBe(1009);
  const silent = await connectStream(hub.agentUrl, TOKENS.get('us') ?? '', 'us');
  silent.sendRaw(JSON.stringify({ type: 'hello', padding: 'x'.repeat(100_000) }));
  expect((await silent.closed).code).toBe(1006);
});

it('delays an agent that floods the hub, and no other', async () => {
  const once = { burst: 3, perSecond: 0.001 };
  const { hub } = await start({ deps: { deliveryLimits: { agent: { ...DEFAULT_AGENT_LIMITS, frames: once } } } });
  const eu = await bench.agent(hub, 'eu');
  for (let seq = 1; seq <= 20; seq += 1) eu.send({ ...report, seq, events: [] });
  await eu.next('reported');
  await eu.next('reported');
  const us = await bench.agent(hub, 'us');
  us.send(report);
  await us.next('reported');
  expect(eu.frames.filter(({ type }) => type === 'reported').length).toBeLessThan(5);
  // Separate streams do not help it.
  const again = await bench.agent(hub, 'eu');
  await again.next('welcome');
  again.send({ ...report, seq: 30 });
  us.send({ ...report, seq: 2 });
  await us.next('reported');
  expect(again.frames.map(({ type }) => type)).not.toContain('reported');
});
