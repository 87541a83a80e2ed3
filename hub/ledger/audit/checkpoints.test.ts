import { FakeClock } from '@fso/shared/fake-clock';
import type { Checkpoint } from '@fso/shared/protocol';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { fixedClock, TIME } from '../testing/ledger.ts';
import { createMemoryLedger } from '../testing/memory-ledger.ts';
import type { Ledger } from '../types.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createAuditKey } from './key.ts';

const logger = pino({ level: 'silent' });
const key = createAuditKey();

const append = async ({ audit }: Ledger, count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1)
    await audit.append({ actor: { kind: 'hub', id: 'hub', roles: [] }, from: null, action: 'test', subject: 's', detail: {} });
};
const sign = async ({ audit }: Ledger): Promise<Checkpoint> => {
  const checkpoint = key.sign({ ...(await audit.head()), time: TIME });
  await audit.addCheckpoint(checkpoint);
  return checkpoint;
};

/** A hub that does not lead, and has read the checkpoint of entry 2. */
const startFollower = async () => {
  const ledger: Ledger = { ...createMemoryLedger({ clock: fixedClock }), leads: () => false };
  await append(ledger, 2);
  await sign(ledger);
  const checkpoints = createCheckpoints({ ledger, key, clock: new FakeClock(), logger });
  const stop = new AbortController();
  const running = checkpoints.run(stop.signal);
  await expect.poll(() => checkpoints.framesFor(null)).toHaveLength(1);
  stop.abort();
  await running;
  return { ledger, checkpoints };
};

it('signs the end of the log at the leading hub, and stores the checkpoint beside it', async () => {
  const ledger = createMemoryLedger({ clock: fixedClock });
  await append(ledger, 2);
  const checkpoints = createCheckpoints({ ledger, key, clock: new FakeClock(), logger });
  const stop = new AbortController();
  const running = checkpoints.run(stop.signal);
  const kept = async () => (await ledger.audit.proofs()).checkpoints;
  await expect.poll(kept).toMatchObject([{ ...(await ledger.audit.head()), key: key.id }]);
  stop.abort();
  await running;
});

it('sends no older checkpoint to an agent with a newer one of another hub', async () => {
  const { ledger, checkpoints } = await startFollower();
  await append(ledger, 1);
  const held = await sign(ledger);
  const frames = await checkpoints.framesFor(held.sequence);
  expect(frames).toEqual([{ type: 'checkpoint', checkpoint: held, after: 3, digests: [] }]);
});

it('sends nothing to an agent with an unknown checkpoint while the log has its entry', async () => {
  const { ledger, checkpoints } = await startFollower();
  await append(ledger, 2);
  expect(await checkpoints.framesFor(4)).toEqual([]);
});

it('shows an agent the end of a log that was cut before its checkpoint', async () => {
  const { ledger, checkpoints } = await startFollower();
  await append(ledger, 1);
  expect(await checkpoints.framesFor(9)).toMatchObject([{ checkpoint: { sequence: 2 }, after: 2, digests: [] }]);
});
