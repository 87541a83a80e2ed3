import { once } from 'node:events';
import { decodeHubFrame, type HubFrame } from '@fso/shared/protocol';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createAuditKey } from '../ledger/index.ts';
import { type DeliveryHarness, startDelivery } from './testing/delivery-harness.ts';
import { encodeHello } from './testing/frames.ts';

let bench: DeliveryHarness;
beforeEach(async () => {
  bench = await startDelivery();
});
afterEach(() => bench.close());

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
  bench = await startDelivery({ heartbeatMs });
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
  socket.send(encodeHello({ checkpoint: held }));
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
  socket.send(encodeHello({ checkpoint: createAuditKey().sign({ ...(await ledger.audit.head()), time: '2026-01-03T10:30:00.000Z' }) }));
  await expect.poll(async () => (await ledger.cluster('eu'))?.connected).toBe(true);
  expect((await ledger.audit.proofs()).witnesses).toEqual([]);
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
    socket.send(encodeHello({ cluster, checkpoint: held }));
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
  socket.send(encodeHello({ checkpoint: held }));
  const stop = new AbortController();
  const running = delivery.run(stop.signal);
  await expect.poll(() => pings).toBeGreaterThan(4);
  stop.abort();
  await running;
  expect(await closed).toBe(1001);
});
