import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import type { ClusterEvent } from '@fso/shared/api';
import { FakeClock } from '@fso/shared/fake-clock';
import type { KubeClient } from '@fso/shared/kube';
import { Checkpoint, type CheckpointFrame, chainHash, checkpointText, NO_HASH } from '@fso/shared/protocol';
import { createLogger } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { judgeCheckpoint, Witness } from './witness.ts';

const createKey = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = String(publicKey.export({ format: 'jwk' }).x);
  return (sequence: number, hash: string): Checkpoint => {
    const content = { sequence, hash, time: '2026-01-03T10:30:00.000Z' };
    return { ...content, key, signature: sign(null, Buffer.from(checkpointText(content)), privateKey).toString('base64url') };
  };
};
const signed = createKey();
const digest = (text: string): string => createHash('sha256').update(text).digest('hex');
const digests = Array.from({ length: 9 }, (_, i) => digest(`entry ${i + 1}`));
/** Hash of entry `n` of the true log. */
const hashAt = (n: number): string => digests.slice(0, n).reduce(chainHash, NO_HASH);
const at = (n: number): Checkpoint => signed(n, hashAt(n));
const frame = (
  checkpoint: Checkpoint,
  after: number,
  between: readonly string[] = digests.slice(after, checkpoint.sequence),
): CheckpointFrame => ({
  type: 'checkpoint',
  checkpoint,
  after,
  digests: [...between],
});

describe('judgeCheckpoint', () => {
  it('accepts the first checkpoint, and one that continues the held one', () => {
    expect(judgeCheckpoint(undefined, frame(at(4), 4))).toEqual({ ok: true, checkpoint: at(4) });
    expect(judgeCheckpoint(at(4), frame(at(9), 4))).toEqual({ ok: true, checkpoint: at(9) });
    expect(judgeCheckpoint(at(4), frame(at(4), 4))).toEqual({ ok: true, checkpoint: at(4) });
  });

  const changed = digests.with(6, digest('another entry 7'));
  const changedHash = changed.reduce(chainHash, NO_HASH);
  const rewritten = digests.with(1, digest('another entry 2'));
  it.each([
    ['a log that was cut', frame(at(3), 3), /ends at entry 3/],
    ['the same entry with another hash', frame(signed(5, digest('x')), 5), /entry 5 is another/],
    ['another key', frame(createKey()(9, hashAt(9)), 5), /another key/],
    ['a broken signature', frame({ ...at(9), hash: digest('x') }, 5), /not signed/],
    ['no proof', frame(at(9), 9), /does not go on/],
    ['a proof from somewhere else', frame(at(9), 4), /does not go on/],
    ['digests that lead elsewhere', frame(signed(9, changedHash), 5, digests.slice(5)), /does not go on/],
    ['a rewritten history', frame(signed(9, rewritten.reduce(chainHash, NO_HASH)), 5, rewritten.slice(5)), /does not go on/],
  ])('refuses %s', (_what, given, reason) => {
    expect(judgeCheckpoint(at(5), given)).toEqual({ ok: false, fork: expect.stringMatching(reason) });
  });
});

const createBench = () => {
  const stored: Record<string, string> = {};
  const writes: string[] = [];
  const client = {
    get: async () => ({ data: stored }),
    apply: async (_kind: unknown, body: { data: Record<string, string> }) => {
      Object.assign(stored, body.data);
      writes.push(Checkpoint.parse(JSON.parse(String(body.data['checkpoint']))).hash);
    },
  } as unknown as KubeClient;
  const events: ClusterEvent[] = [];
  const clock = new FakeClock();
  const options = {
    client,
    clock,
    random: Math.random,
    logger: createLogger({ name: 'test', level: 'silent' }),
    onEvent: (event: ClusterEvent) => void events.push(event),
  };
  return { stored, writes, events, clock, options };
};

describe('Witness', () => {
  it('keeps checkpoints across restarts, and reports a fork once', async () => {
    const { stored, events, options } = createBench();
    const stop = new AbortController();
    const witness = new Witness(options);
    await witness.restore(stop.signal);
    expect(witness.held()).toBeUndefined();
    const running = witness.run(stop.signal).catch(() => undefined);
    witness.take(frame(at(2), 2));
    witness.take(frame(at(6), 2));
    await expect.poll(() => stored['checkpoint']).toContain(hashAt(6));
    witness.take(frame(at(3), 3));
    witness.take(frame(at(4), 3));
    stop.abort();
    await running;
    expect(witness.held()).toEqual(at(6));
    expect(events.map(({ reason, severity }) => [reason, severity])).toEqual([['AuditForkDetected', 'alert']]);
    const next = new Witness(options);
    await next.restore(new AbortController().signal);
    expect(next.held()).toEqual(at(6));
  });

  it('stores the newest checkpoint once a minute, at any rate of a hub', async () => {
    const { writes, clock, options } = createBench();
    const stop = new AbortController();
    const witness = new Witness(options);
    const running = witness.run(stop.signal).catch(() => undefined);
    for (let n = 1; n <= 4; n += 1) {
      witness.take(frame(at(n), n - 1));
      await clock.advance(100);
    }
    expect(writes).toEqual([hashAt(1)]);
    await clock.advance(60_000);
    expect(writes).toEqual([hashAt(1), hashAt(4)]);
    await clock.advance(600_000);
    expect(writes).toHaveLength(2);
    witness.take(frame(at(5), 4));
    await clock.advance(0);
    expect(writes).toEqual([hashAt(1), hashAt(4), hashAt(5)]);
    stop.abort();
    await running;
  });

  it('stores what it holds when its term ends, but over no later checkpoint', async () => {
    const { stored, writes, clock, options } = createBench();
    const runUntilEnd = async (elsewhere?: Checkpoint): Promise<void> => {
      const stop = new AbortController();
      const witness = new Witness(options);
      await witness.restore(stop.signal);
      const after = witness.held()?.sequence ?? 0;
      const running = witness.run(stop.signal).catch(() => undefined);
      witness.take(frame(at(after + 1), after));
      await clock.advance(0);
      witness.take(frame(at(after + 2), after + 1));
      if (elsewhere !== undefined) stored['checkpoint'] = JSON.stringify(elsewhere);
      stop.abort();
      await running;
    };
    await runUntilEnd();
    expect(writes).toEqual([hashAt(1), hashAt(2)]);
    await runUntilEnd(at(5));
    expect(writes.slice(2)).toEqual([hashAt(3)]);
    expect(stored['checkpoint']).toContain(hashAt(5));
  });

  it('ends without a last write where nothing can be stored', async () => {
    const { options, clock } = createBench();
    const stop = new AbortController();
    const client = {
      get: () => Promise.reject(new Error('gone')),
      apply: () => Promise.reject(new Error('gone')),
    } as unknown as KubeClient;
    const witness = new Witness({ ...options, client });
    const running = witness.run(stop.signal);
    witness.take(frame(at(1), 0));
    await clock.advance(0);
    stop.abort(new Error('the term ends'));
    await expect(running).rejects.toThrow('the term ends');
  });

  it('reports three forks at once and three an hour, with any number of keys', async () => {
    const { events, clock, options } = createBench();
    const witness = new Witness(options);
    witness.take(frame(at(2), 2));
    const fork = () => witness.take(frame(createKey()(3, hashAt(3)), 2));
    for (let n = 0; n < 20; n += 1) fork();
    expect(events).toHaveLength(3);
    await clock.advance(3_600_000);
    for (let n = 0; n < 20; n += 1) fork();
    expect(events).toHaveLength(6);
  });
});
