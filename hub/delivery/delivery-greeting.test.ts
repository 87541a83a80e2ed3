import { once } from 'node:events';
import { CLOSE_CODES, EMPTY_DIGEST, encodeFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { afterEach, beforeEach, expect, it } from 'vitest';
import WebSocket from 'ws';
import { policyReport } from '../../test/harness/policy-reports.ts';
import { type DeliveryHarness, startDelivery } from './testing/delivery-harness.ts';
import { encodeHello, encodeReport, frameTypesOf } from './testing/frames.ts';

let bench: DeliveryHarness;
beforeEach(async () => {
  bench = await startDelivery();
});
afterEach(() => bench.close());

it('closes the oldest stream without a hello when a cluster has too many', async () => {
  const { connect } = bench;
  const greeted = await connect('eu');
  const welcomed = new Promise((resolve) => greeted.socket.once('message', resolve));
  greeted.socket.send(encodeHello());
  await welcomed;
  const silent = [await connect('eu'), await connect('eu')] as const;
  const other = await connect('us');
  const newer = [await connect('eu'), await connect('eu')];
  expect(await Promise.all(silent.map(({ closed }) => closed))).toEqual([CLOSE_CODES.badFrame, CLOSE_CODES.badFrame]);
  for (const { socket } of [greeted, other, ...newer]) expect(socket.readyState).toBe(WebSocket.OPEN);
});

it.each([
  [PROTOCOL_VERSION - 1, 'the agent'],
  [PROTOCOL_VERSION + 1, 'the hub'],
])('refuses an agent that speaks protocol %i, and names the side to upgrade', async (protocol, older) => {
  const { socket } = await bench.connect('eu');
  const frames = frameTypesOf(socket);
  const closed = once(socket, 'close');
  socket.send(encodeHello().replace(`"protocol":${PROTOCOL_VERSION}`, `"protocol":${protocol}`));
  const [code, reason] = await closed;
  expect([code, String(reason)]).toEqual([
    CLOSE_CODES.unsupportedProtocol,
    `this hub speaks protocol ${PROTOCOL_VERSION}, the agent ${protocol}: upgrade ${older}; the agent enforces on`,
  ]);
  expect(frames).toEqual([]);
  expect(await bench.ledger.cluster('eu')).toBeNull();
});

it('opens no more streams for a cluster than a few at once', async () => {
  const answers = await Promise.allSettled(Array.from({ length: 70 }, () => bench.connect('eu')));
  const refused = answers.filter(({ status }) => status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  expect(refused.map((answer) => String('reason' in answer && answer.reason))).toEqual(refused.map(() => expect.stringContaining('429')));
});

it('cuts off an agent that sends more than 64 KB before its welcome, in any parts, and accepts larger frames after it', async () => {
  await bench.close();
  bench = await startDelivery({ maxFrameBytes: 1024 * 1024 });
  const large = encodeReport({
    seq: 1,
    full: true,
    policies: Array.from({ length: 200 }, (_, n) => policyReport(`p${n}`)),
  });
  expect(large.length).toBeGreaterThan(65_536);
  const greeted = await bench.connect('us');
  greeted.socket.send(encodeHello({ cluster: 'us' }));
  await once(greeted.socket, 'message');
  greeted.socket.send(large);
  await expect.poll(async () => (await bench.ledger.cluster('us'))?.policies.size).toBe(200);
  const { socket, closed } = await bench.connect('eu');
  for (let part = 0; part < 3; part += 1) socket.send('x'.repeat(30_000), { fin: false });
  expect(await closed).toBe(1006);
  // It comes back after a while.
  await expect(bench.connect('eu')).rejects.toThrow('429');
});

it('delays an agent whose frame cannot be read', async () => {
  const { socket, closed } = await bench.connect('eu');
  socket.send(encodeHello());
  await once(socket, 'message');
  socket.send('{');
  expect(await closed).toBe(CLOSE_CODES.badFrame);
  await expect(bench.connect('eu')).rejects.toThrow('429');
});

it('gives agents a later time where too many wait for a welcome', async () => {
  const { connect } = bench;
  const greeted = [await connect('eu'), await connect('us')] as const;
  for (const [at, cluster] of ['eu', 'us'].entries()) {
    const { socket } = greeted[at] ?? greeted[0];
    const welcomed = new Promise((resolve) => socket.once('message', resolve));
    socket.send(encodeHello({ cluster }));
    await welcomed;
  }
  const waiting = [await connect('eu'), await connect('us')] as const;
  for (const [at, cluster] of ['eu', 'us'].entries()) (waiting[at] ?? waiting[0]).socket.send(encodeHello({ cluster }));
  const refused = async () => connect('eu').then(() => 'opened', String);
  await expect.poll(refused).toContain('503');
  // The first word of one lets the next one in.
  greeted[0].socket.send(encodeFrame({ type: 'digest', digest: EMPTY_DIGEST, seq: 0 }));
  await expect.poll(refused).toBe('opened');
});
