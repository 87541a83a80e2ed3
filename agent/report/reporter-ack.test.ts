import { setImmediate as tick } from 'node:timers/promises';
import { FakeClock } from '@fso/shared/fake-clock';
import { type AgentFrame, EMPTY_DIGEST } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { afterEach, expect, it } from 'vitest';
import { type AgentSnapshot, LiveObservatory } from '../observe/index.ts';
import { EventOutbox } from './event-outbox.ts';
import { Reporter } from './reporter.ts';

const logger = createLogger({ name: 'test', level: 'silent' });
const SNAPSHOT: AgentSnapshot = {
  policies: new Map(),
  cluster: { agentVersion: 'test', kubernetesVersion: 'v1', gatekeeper: { state: 'Absent' }, nodesByRegion: {}, conditions: [] },
};
const ACK = { revision: 'b'.repeat(40), digest: 'd' };

let stop: AbortController;
afterEach(() => stop.abort());

/** A reporter whose first report was taken. */
const connected = async () => {
  stop = new AbortController();
  const clock = new FakeClock();
  const facts = { revision: 'a'.repeat(40) as string | null, provenRevision: null as string | null, verification: 'unverified' as const };
  const reporter = new Reporter({
    observatory: new LiveObservatory(SNAPSHOT),
    outbox: new EventOutbox({ clock, logger }),
    clock,
    logger,
    revisions: () => ({ ...facts }),
    accepted: () => undefined,
  });
  reporter.run(stop.signal).catch(() => undefined);
  const sent: AgentFrame[] = [];
  reporter.connected((frame) => sent.push(frame), { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null });
  /** Lets what is due be sent. */
  const pass = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    for (let turn = 0; turn < 5; turn += 1) await tick();
  };
  await pass(0);
  reporter.acknowledged(1);
  await pass(100);
  sent.length = 0;
  return { reporter, facts, sent, pass, types: () => sent.map(({ type }) => type) };
};

it("is part of the report on the cluster's state at the revision, with how long it was held back", async () => {
  const { reporter, facts, sent, pass, types } = await connected();
  facts.revision = ACK.revision;
  reporter.accepted(ACK);
  await pass(400);
  expect(sent).toEqual([]);
  facts.provenRevision = ACK.revision;
  reporter.poke();
  await pass(0);
  expect(types()).toEqual(['report']);
  const revision = { revision: ACK.revision, provenRevision: ACK.revision, verification: 'unverified' };
  expect(sent[0]).toMatchObject({ ack: { ...ACK, heldMs: 400 }, revision });
  expect(sent[0]).not.toHaveProperty('cluster');
});

it('is sent at once without a pending report, and never later than a report that is held back', async () => {
  const { reporter, facts, sent, pass, types } = await connected();
  reporter.accepted(ACK);
  await pass(0);
  expect(types()).toEqual(['ack']);
  facts.revision = 'c'.repeat(40);
  reporter.accepted({ ...ACK, revision: facts.revision });
  await pass(1_000);
  expect(types()).toEqual(['ack']);
  await pass(500);
  expect(types()).toEqual(['ack', 'report']);
  expect(sent[1]).toMatchObject({ ack: { revision: facts.revision, heldMs: 1_500 } });
});

it('is sent before a digest, which the hub answers by its known revision', async () => {
  const { reporter, facts, pass, types } = await connected();
  facts.revision = ACK.revision;
  reporter.accepted(ACK);
  await pass(0);
  reporter.sendDigest();
  expect(types()).toEqual(['ack', 'digest']);
});

it('is held back no longer than until the next revision is accepted or another connection opens', async () => {
  const { reporter, facts, sent, pass, types } = await connected();
  facts.revision = ACK.revision;
  reporter.accepted(ACK);
  await pass(100);
  facts.revision = 'c'.repeat(40);
  reporter.accepted({ ...ACK, revision: facts.revision });
  expect(sent).toEqual([{ type: 'ack', ...ACK, heldMs: 100 }]);
  reporter.disconnected();
  sent.length = 0;
  reporter.connected((frame) => sent.push(frame), { seq: 1, policies: EMPTY_DIGEST, cluster: null, baseline: null });
  await pass(2_000);
  expect(types()).not.toContain('ack');
});
