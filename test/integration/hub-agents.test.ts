import { EMPTY_DIGEST } from '@fso/shared/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { type HubHarness, openHubHarness, takeOffer } from '../harness/hub-harness.ts';
import { basicRepository, policyFile } from '../harness/policy-files.ts';
import { connectStream } from '../harness/stream-client.ts';
import { eventually } from '../harness/waiting.ts';

let bench: HubHarness;
const open = async (...args: Parameters<typeof openHubHarness>): Promise<HubHarness> => {
  bench = await openHubHarness(...args);
  return bench;
};
afterEach(() => bench.close());

describe('agents that are refused or disconnected', () => {
  const prepare = async (...args: Parameters<HubHarness['startHub']>) => {
    await open();
    await bench.repository.commit(basicRepository(), 'first');
    return bench.startHub(...args);
  };

  it('a wrong token is refused before the stream opens', async () => {
    const hub = await prepare();
    await expect(connectStream(hub.agentUrl, 'not-the-token-of-anyone', 'eu')).rejects.toThrow('HTTP 401');
    expect(await hub.ledger.cluster('eu').then((record) => record?.lastSeen ?? null)).toBeNull();
  });

  it.each([
    ['the hello of another cluster', { cluster: 'us' }, 4401],
    ['another protocol', { protocol: 99 }, 4406],
  ])('%s', async (_name, change, code) => {
    const hub = await prepare();
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.hello(change);
    expect((await eu.closed).code).toBe(code);
    expect(eu.frames).toEqual([]);
    expect((await hub.ledger.clusters()).every((record) => record.lastSeen === null)).toBe(true);
  });

  it.each([
    ['text that is not a frame', '{"type":"take-over"}'],
    ['binary data', Buffer.from([1, 2, 3])],
    ['a report before the hello', JSON.stringify({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] })],
  ])('%s', async (_name, data) => {
    const hub = await prepare();
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.sendRaw(data);
    const closed = await eu.closed;
    expect(closed.code).toBe(4422);
    expect(closed.reason).not.toBe('');
  });

  it('a ping answered without a hello does not make a cluster connected', async () => {
    const hub = await prepare();
    const eu = await connectStream(hub.agentUrl, 'token-of-eu-0123456789', 'eu');
    eu.pong();
    eu.sendRaw('{}');
    await eu.closed;
    expect((await hub.ledger.cluster('eu'))?.lastSeen ?? null).toBeNull();
  });

  it('the same cluster connects again: the older stream ends, the cluster stays connected', async () => {
    const hub = await prepare();
    const older = await bench.agent(hub, 'eu');
    await older.next('offer');
    const newer = await bench.agent(hub, 'eu');
    await newer.next('offer');
    expect((await older.closed).code).toBe(4409);
    expect((await hub.ledger.cluster('eu'))?.connected).toBe(true);
    newer.close();
    await eventually(async () => (await hub.ledger.cluster('eu'))?.connected === false);
  });

  it('an unregistered cluster with a token gets the commit, is shown, and has no policies', async () => {
    const hub = await prepare();
    const stray = await bench.agent(hub, 'stray');
    await stray.next('offer');
    await eventually(async () => (await hub.ledger.cluster('stray'))?.connected);
    expect((await hub.ledger.desired())?.clusters.has('stray')).toBe(false);
  });

  it('an agent that does not answer pings counts as disconnected', async () => {
    const hub = await prepare({ deps: { deliveryLimits: { heartbeatMs: 100 } } });
    const eu = await bench.agent(hub, 'eu');
    await takeOffer(eu, hub, 'eu');
    eu.pause();
    await eventually(async () => (await hub.ledger.cluster('eu'))?.connected === false);
    eu.resume();
    expect((await eu.closed).code).toBe(1006);
  });

  it('a slow agent is disconnected while a fast one gets its offer', async () => {
    const hub = await prepare({ deps: { deliveryLimits: { stallMs: 6_000 } } });
    const slow = await bench.agent(hub, 'us');
    const fast = await bench.agent(hub, 'eu');
    await Promise.all([takeOffer(slow, hub, 'us'), takeOffer(fast, hub, 'eu')]);
    slow.pause();
    // Nearly the 8 MiB that a commit may have: as a frame, larger than the buffers of a connection.
    const big = Object.fromEntries(
      Array.from({ length: 34 }, (_, i) => [`policies/p${i}.yaml`, `${policyFile(`p${i}`)}# ${String(i % 10).repeat(240_000)}\n`]),
    );
    const revision = await bench.repository.commit(big, 'big');
    hub.source.hint();
    expect((await takeOffer(fast, hub, 'eu')).revision).toBe(revision);
    await eventually(async () => (await hub.ledger.cluster('us'))?.connected === false);
    expect((await hub.ledger.cluster('eu'))?.connected).toBe(true);
    slow.resume();
    await slow.closed;
  });
});

describe('frames of agents', () => {
  const connect = async () => {
    await open();
    await bench.repository.commit(basicRepository(), 'first');
    const hub = await bench.startHub();
    const eu = await bench.agent(hub, 'eu');
    const offer = await eu.next('offer');
    return { hub, eu, offer };
  };
  const report = (seq: number, full: boolean) => ({ type: 'report' as const, seq, full, policies: [], removed: [], events: [] });

  it('a nack is kept with its reasons until the next ack', async () => {
    const { hub, eu, offer } = await connect();
    eu.send({
      type: 'nack',
      revision: offer.revision,
      reasons: [{ path: 'policies/finance.yaml', line: 7, message: 'cannot be enforced here' }],
    });
    const record = await eventually(async () => {
      const now = await hub.ledger.cluster('eu');
      return now?.nack && now;
    });
    expect(record.nack?.reasons[0]?.message).toBe('cannot be enforced here');
    await expect
      .poll(async () => (await hub.ledger.events({ limit: 1 }))[0])
      .toMatchObject({ cluster: 'eu', reason: 'RevisionRefused', severity: 'alert' });
    // The state of an agent after a refusal is unknown, so the next offer is complete.
    const next = await bench.repository.commit({ 'policies/hr.yaml': policyFile('hr') }, 'next');
    hub.source.hint();
    const whole = await eu.next('offer');
    // The commit, three folders, the registration of the cluster and two policies.
    expect(whole.objects).toHaveLength(7);
    eu.send({ type: 'ack', revision: next, digest: 'other' });
    await eventually(async () => (await hub.ledger.cluster('eu'))?.nack === null);
    await eventually(async () => (await hub.ledger.events({ limit: 10 })).find((event) => event.reason === 'DigestMismatch'));
  });

  it('an ack without an offer changes nothing', async () => {
    const { hub, eu, offer } = await connect();
    eu.send({ type: 'ack', revision: 'f'.repeat(40), digest: 'x' });
    eu.send({ type: 'ack', revision: offer.revision, digest: 'x' });
    const acked = await eventually(async () => (await hub.ledger.cluster('eu'))?.acked);
    expect(acked.revision).toBe(offer.revision);
  });

  it('reports are confirmed in order; a gap and a wrong digest cause a request for everything', async () => {
    const { hub, eu } = await connect();
    eu.send(report(1, true));
    expect((await eu.next('reported')).seq).toBe(1);
    eu.send(report(2, false));
    expect((await eu.next('reported')).seq).toBe(2);
    eu.send(report(4, false));
    await eu.next('resync');
    expect((await hub.ledger.cluster('eu'))?.reportedSeq).toBe(2);
    // In flight when the hub asked: neither accepted nor requested again.
    eu.send(report(5, false));
    eu.send(report(6, true));
    expect((await eu.next('reported')).seq).toBe(6);
    eu.send({ type: 'digest', seq: 6, digest: EMPTY_DIGEST });
    eu.send({ type: 'digest', seq: 6, digest: 'wrong' });
    await eu.next('resync');
    expect(eu.frames.filter((frame) => frame.type === 'resync')).toHaveLength(2);
    eu.send(report(1, true));
    expect((await eu.next('reported')).seq).toBe(1);
  });
});
