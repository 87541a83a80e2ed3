import { FakeClock } from '@fso/shared/fake-clock';
import type { Logger } from '@fso/shared/runtime';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { type AgentCommits, allowAnswer, type FrameContext, takeAck, takeNack } from './frame-handlers.ts';
import { RevisionTargets } from './offers/revision-targets.ts';
import { AgentBudget, DEFAULT_AGENT_LIMITS } from './pacing/agent-budget.ts';

const REVISION = 'a'.repeat(40);

const createBench = (logger: Logger = pino({ level: 'silent' })) => {
  const clock = new FakeClock();
  const ledger = createMemoryLedger({ clock });
  const nacked: string[] = [];
  const metrics = { nacked: (reason: string) => nacked.push(reason) };
  const answerable: AgentCommits['answerable'] = new Map([[REVISION, 'offered']]);
  const state = { commits: { answerable, target: 'b'.repeat(40) } };
  const budget = new AgentBudget(clock, DEFAULT_AGENT_LIMITS);
  const deps = { ledger, clock, metrics, targets: new RevisionTargets() };
  const context = {
    cluster: 'eu',
    state,
    budget,
    deps,
    send: () => undefined,
    logger,
  } as unknown as FrameContext;
  const nack = (message: string, code?: string) =>
    takeNack({ type: 'nack', revision: REVISION, reasons: [{ message, ...(code !== undefined && { code }) }] }, context);
  const ack = (revision = REVISION) => takeAck({ type: 'ack', revision, digest: 'd' }, context);
  const told = async () => {
    const entries = (await ledger.audit.list({ limit: 1000 })).filter(({ action }) => action === 'revision.refuse');
    const events = (await ledger.events({ limit: 1000 })).filter(({ reason }) => reason === 'RevisionRefused');
    return [entries.length, events.length];
  };
  const offer = (revision: string): void => allowAnswer(context.state.commits, revision, 'offered');
  return { clock, ledger, budget, nack, ack, offer, answerable, told, nacked };
};

it('counts an acked commit as held, also where the next one was offered meanwhile', async () => {
  const { budget, ack } = createBench();
  await ack();
  expect(budget.claim({ holds: REVISION, anchor: REVISION })).toBeUndefined();
});

it('keeps the revisions since the last ack, and a bounded number without an answer', async () => {
  const { ack, offer, answerable, ledger } = createBench();
  const [second, third] = ['b'.repeat(40), 'c'.repeat(40)];
  offer(second);
  offer(third);
  await ack(second);
  expect([...answerable.keys()]).toEqual([second, third]);
  await ack(REVISION);
  expect((await ledger.cluster('eu'))?.acked?.revision).toBe(second);
  // Offered again, it may be answered again.
  offer(REVISION);
  await ack(third);
  expect([...answerable.keys()]).toEqual([third, REVISION]);
  for (let i = 0; i < 1_000; i += 1) offer(i.toString(16).padStart(40, '0'));
  expect(answerable.size).toBe(64);
});

it('ignores a repeated nack, also of a reconnected agent', async () => {
  const { clock, ledger, nack, ack, told, nacked } = createBench();
  for (let i = 0; i < 5; i += 1) await nack('no such region');
  expect([await told(), nacked]).toEqual([[1, 1], Array.from({ length: 5 }, () => 'invalid')]);
  await nack('another reason');
  expect(await told()).toEqual([2, 2]);
  // An ack is news, and so is the nack after it.
  await ack();
  await clock.advance(1);
  await nack('another reason');
  expect(await told()).toEqual([3, 3]);
  expect((await ledger.cluster('eu'))?.nack?.reasons).toEqual([{ message: 'another reason' }]);
});

it('counts reasons by a few kinds, with any codes of an agent', async () => {
  const { nack, nacked } = createBench();
  await nack('no such region');
  await nack('object 0123 is not here', 'object-missing');
  await nack('commit 0123 is not signed', 'unsigned');
  await nack('nonsense', 'a-code-of-its-own');
  expect(nacked).toEqual(['invalid', 'incomplete', 'untrusted', 'untrusted']);
});

it('keeps repeated refusals for changing reasons out of the audit log, and shows the last one', async () => {
  const { clock, ledger, nack, told } = createBench();
  for (let i = 0; i < 100; i += 1) await nack(`reason ${i}`);
  expect(await told()).toEqual([10, 10]);
  expect((await ledger.cluster('eu'))?.nack?.reasons).toEqual([{ message: 'reason 99' }]);
  await clock.advance(60_000);
  for (let i = 0; i < 5; i += 1) await nack(`later ${i}`);
  expect(await told()).toEqual([11, 11]);
});

it('writes few lines into the log for one agent, for any frames at any rate', async () => {
  const lines: string[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  const { clock, ack } = createBench(logger);
  for (let i = 0; i < 100; i += 1) {
    await ack();
    await ack('c'.repeat(40));
  }
  const count = (message: string) => lines.filter((line) => line === message).length;
  expect([count('revision acked'), count('answer to a revision that was not offered')]).toEqual([0, 10]);
  await clock.advance(60_000);
  for (let i = 0; i < 5; i += 1) await ack('c'.repeat(40));
  expect(count('answer to a revision that was not offered')).toBe(11);
});
