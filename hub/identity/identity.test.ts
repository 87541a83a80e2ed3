import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '@fso/shared/fake-clock';
import type { IssuedIdentity } from '@fso/shared/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyedStore } from '../ledger/index.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { openAuthority } from './authority.ts';
import type { CertifiedCluster } from './enrolment-state.ts';
import { createEnrolmentStore } from './enrolment-store.ts';
import { DEFAULT_IDENTITY_LIMITS, Identity, type IdentityEvent } from './identity.ts';
import { Refusal } from './refusal.ts';
import { makeRequest, requestFor } from './testing/identity.ts';

const HOUR = 3600 * 1000;
let folder: string;
let clock: FakeClock;
let records: KeyedStore;
let identity: Identity;
let events: IdentityEvent[];
/** Records an event in the audit log; tests replace it. */
let record: () => Promise<void>;
/** Whether the database takes writes, and what others wrote is known. */
let state: { writable: boolean; current: boolean };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fso-identity-'));
  clock = new FakeClock(new Date('2026-01-03T10:30:00Z'));
  ({ records } = createMemoryLedger({ clock }));
  events = [];
  record = async () => undefined;
  state = { writable: true, current: true };
  identity = new Identity({
    state: { isWritable: () => state.writable, isCurrent: () => state.current },
    authority: await openAuthority({ folder, given: undefined, now: clock.now(), records }),
    store: createEnrolmentStore(records),
    clock: { now: () => clock.now(), monotonicMs: () => clock.monotonicMs(), sleep: (ms, signal) => clock.sleep(ms, signal) },
    limits: DEFAULT_IDENTITY_LIMITS,
    onEvent: async (event) => {
      events.push(event);
      await record();
    },
  });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const codeOf = async (call: Promise<unknown>): Promise<string> => {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 'taken';
  if (!(error instanceof Refusal)) throw error;
  return error.code;
};
const tokenFor = async (cluster: string): Promise<string> => (await identity.issueToken(cluster, HOUR)).token;
const peerOf = ({ cluster, certificate }: IssuedIdentity, generation: number): CertifiedCluster => {
  const { serialNumber, validFromDate: notBefore, validToDate: expires } = new X509Certificate(certificate);
  return { cluster, generation, serial: serialNumber.toLowerCase(), notBefore, expires };
};
const enrolled = async (cluster: string, generation = 1): Promise<CertifiedCluster> =>
  peerOf(await identity.enrol(await tokenFor(cluster), (await makeRequest()).csr), generation);

describe('while the database of the hub is away', () => {
  it('asks new clients to return, and admits known ones without a queue', async () => {
    const token = await tokenFor('eu');
    const { csr } = await makeRequest();
    state.writable = false;
    expect(await codeOf(identity.enrol(token, csr))).toBe('unavailable');
    state.writable = true;
    const peer = peerOf(await identity.enrol(token, csr), 1);
    state.writable = false;
    // Its certificate was never shown, which is to be kept.
    expect(await codeOf(identity.admit(peer))).toBe('unavailable');
    expect(await codeOf(identity.renew(peer, csr))).toBe('unavailable');
    state.writable = true;
    await identity.admit(peer);
    state.writable = false;
    await identity.admit(peer);
    expect(events.map(({ reason }) => reason)).toEqual(['EnrolmentTokenIssued', 'ClusterEnrolled']);
  });

  it('makes no certificate for a client that is gone when it is back', async () => {
    const gone = new AbortController();
    record = async () => gone.abort(new Error('gone'));
    await expect(identity.enrol(await tokenFor('eu'), (await makeRequest()).csr, { signal: gone.signal })).rejects.toThrow('gone');
  });

  it('opens no new stream by a certificate that another hub may have revoked', async () => {
    const peer = await enrolled('eu');
    await identity.admit(peer);
    state.current = false;
    expect(await codeOf(identity.admit(peer))).toBe('unavailable');
    // One that is open stays: what it was opened with was good.
    await identity.recheck(peer);
  });
});

describe('a token', () => {
  it('is kept as its digest only', async () => {
    const token = await tokenFor('eu');
    const kept = JSON.stringify(records.list('enrolment'));
    expect(kept).toContain('digest');
    expect(kept).not.toContain(token.split('.')[2]);
    expect(kept).not.toContain(token);
  });

  it('is good once, for an hour at most, and for the one cluster', async () => {
    const token = await tokenFor('eu');
    const issued = await identity.enrol(token, (await makeRequest({ subject: 'CN=us', uri: 'fso://cluster/us' })).csr);
    const certificate = new X509Certificate(issued.certificate);
    expect([issued.cluster, certificate.subjectAltName]).toEqual(['eu', 'URI:fso://cluster/eu']);
    expect(certificate.validToDate.getTime() - certificate.validFromDate.getTime()).toBe(24 * HOUR);
    expect(await codeOf(identity.enrol(token, (await makeRequest()).csr))).toBe('token-used');
    await expect(identity.issueToken('eu', HOUR + 1)).rejects.toThrow(RangeError);
    await expect(identity.issueToken('\u0435u', HOUR)).rejects.toThrow(RangeError);
    const late = await tokenFor('eu');
    await clock.advance(HOUR);
    expect(await codeOf(identity.enrol(late, (await makeRequest()).csr))).toBe('token-expired');
  });

  it('is worth no more under the name of another cluster', async () => {
    await tokenFor('us');
    const [prefix, , ...rest] = (await tokenFor('eu')).split('.');
    for (const name of ['us', 'e', 'eu-1', 'nowhere']) {
      expect(await codeOf(identity.enrol([prefix, name, ...rest].join('.'), (await makeRequest()).csr))).toBe('token-unknown');
    }
    expect(await identity.get('nowhere')).toBeUndefined();
    const refusals = events.filter(({ reason }) => reason === 'EnrolmentRefused');
    expect(refusals.map(({ cluster, claimed }) => [cluster, claimed])).toEqual([
      [null, 'us'],
      [null, undefined],
      [null, undefined],
      [null, undefined],
    ]);
  });

  it('survives an invalid request, and a lost response', async () => {
    const token = await tokenFor('eu');
    expect(await codeOf(identity.enrol(token, 'no request'))).toBe('csr-refused');
    const { csr, key } = await makeRequest();
    const first = await identity.enrol(token, csr);
    const again = await identity.enrol(token, await requestFor(key));
    expect(new X509Certificate(again.certificate).publicKey.equals(new X509Certificate(first.certificate).publicKey)).toBe(true);
    expect((await identity.get('eu'))?.generation).toBe(1);
    await identity.revoke('eu');
    expect(await codeOf(identity.enrol(token, await requestFor(key)))).toBe('token-used');
  });

  it('takes the place of the one before', async () => {
    const [first, second] = [await tokenFor('eu'), await tokenFor('eu')];
    expect(await codeOf(identity.enrol(first, (await makeRequest()).csr))).toBe('token-unknown');
    expect(await codeOf(identity.enrol(second, (await makeRequest()).csr))).toBe('taken');
  });
});

describe('a certificate', () => {
  it('is issued once the record names the cluster and its address, and never without that record', async () => {
    const token = await tokenFor('eu');
    const { csr, key } = await makeRequest();
    const kept = Promise.withResolvers<void>();
    record = () => kept.promise;
    let answered = false;
    const answer = identity.enrol(token, csr, { from: '203.0.113.7' }).finally(() => {
      answered = true;
    });
    await expect.poll(() => events.at(-1)).toMatchObject({ reason: 'ClusterEnrolled', cluster: 'eu', from: '203.0.113.7' });
    expect(answered).toBe(false);
    kept.resolve();
    const peer = peerOf(await answer, 1);
    record = () => Promise.reject(new Error('disk full'));
    await expect(identity.renew(peer, csr, { from: '203.0.113.7' })).rejects.toThrow('disk full');
    await expect(identity.enrol(token, await requestFor(key))).rejects.toThrow('disk full');
  });

  it('is renewed by the same identity, also when it expired a while ago', async () => {
    const peer = await enrolled('eu');
    await clock.advance(16 * HOUR);
    const next = peerOf(await identity.renew(peer, (await makeRequest()).csr), 1);
    expect(next.expires.getTime() - peer.expires.getTime()).toBe(16 * HOUR);
    await clock.advance(9 * 24 * HOUR);
    expect(await codeOf(identity.admit(next))).toBe('not-authorized');
    expect(await codeOf(identity.renew(next, (await makeRequest()).csr))).toBe('taken');
    await clock.advance(30 * 24 * HOUR);
    expect(await codeOf(identity.renew(next, (await makeRequest()).csr))).toBe('not-authorized');
  });

  it('is not renewed after its expiry once a newer one was shown: it may be a copy', async () => {
    const peer = await enrolled('eu');
    await clock.advance(16 * HOUR);
    const next = peerOf(await identity.renew(peer, (await makeRequest()).csr), 1);
    await identity.admit(next);
    expect(await codeOf(identity.renew(peer, (await makeRequest()).csr))).toBe('taken');
    await clock.advance(8 * HOUR);
    expect(await codeOf(identity.renew(peer, (await makeRequest()).csr))).toBe('superseded');
  });

  describe('of a clock that ran ahead', () => {
    const DAY = 24 * HOUR;
    const renewed = async (peer: CertifiedCluster): Promise<CertifiedCluster> =>
      peerOf(await identity.renew(peer, (await makeRequest()).csr), 1);
    /** Renews as {@link renewed} does, by a hub whose clock is ten days ahead. */
    const renewedAhead = async (peer: CertifiedCluster, isShown: boolean): Promise<CertifiedCluster> => {
      const present = clock;
      clock = new FakeClock(new Date(present.now().getTime() + 10 * DAY));
      const next = await renewed(peer);
      if (isShown) await identity.admit(next);
      clock = present;
      return next;
    };

    it('is renewed if it is the last one, and no older copy is', async () => {
      const first = await renewedAhead(await enrolled('eu'), true);
      const last = await renewedAhead(first, true);
      expect(await codeOf(identity.renew(first, (await makeRequest()).csr))).toBe('superseded');
      const next = await renewed(last);
      // The answer may be lost, until the new one is shown.
      const again = await renewed(last);
      await identity.admit(again);
      for (const copy of [first, last]) expect(await codeOf(identity.renew(copy, (await makeRequest()).csr))).toBe('superseded');
      expect(await codeOf(identity.renew(next, (await makeRequest()).csr))).toBe('taken');
    });

    it('is renewed where the response with its successor was lost', async () => {
      const held = await renewedAhead(await enrolled('eu'), true);
      await renewedAhead(held, false);
      expect(await codeOf(identity.renew(held, (await makeRequest()).csr))).toBe('taken');
    });

    it('does not keep the ones after it from a renewal when they have expired', async () => {
      const next = await renewed(await renewedAhead(await enrolled('eu'), true));
      await identity.admit(next);
      await clock.advance(3 * DAY);
      expect(await codeOf(identity.renew(next, (await makeRequest()).csr))).toBe('taken');
    });
  });

  it('is invalid after a revocation, until the cluster enrols again', async () => {
    const peer = await enrolled('eu');
    const other = await enrolled('eu-1');
    await identity.admit(peer);
    const open = await tokenFor('eu');
    await identity.revoke('eu');
    expect(await codeOf(identity.admit(peer))).toBe('revoked');
    expect(await codeOf(identity.recheck(peer))).toBe('revoked');
    expect(await codeOf(identity.renew(peer, (await makeRequest()).csr))).toBe('revoked');
    expect(await codeOf(identity.enrol(open, (await makeRequest()).csr))).toBe('token-unknown');
    expect(await codeOf(identity.admit(other))).toBe('taken');
    const again = await enrolled('eu', 3);
    expect(await codeOf(identity.admit(again))).toBe('taken');
    expect(await codeOf(identity.renew(peer, (await makeRequest()).csr))).toBe('superseded');
  });

  it('is invalid once its cluster is forgotten, also after the name is enrolled again', async () => {
    const peer = await enrolled('eu');
    const open = await tokenFor('eu');
    await identity.forget('eu');
    await identity.forget('never-there');
    expect(await identity.list()).toEqual([]);
    expect(await codeOf(identity.admit(peer))).toBe('revoked');
    expect(await codeOf(identity.renew(peer, (await makeRequest()).csr))).toBe('revoked');
    expect(await codeOf(identity.enrol(open, (await makeRequest()).csr))).toBe('token-unknown');
    const token = await tokenFor('eu');
    expect((await identity.list()).map(({ cluster, state }) => [cluster, state])).toEqual([['eu', 'revoked']]);
    const again = peerOf(await identity.enrol(token, (await makeRequest()).csr), 3);
    expect(await codeOf(identity.admit(again))).toBe('taken');
    expect(await codeOf(identity.renew(peer, (await makeRequest()).csr))).toBe('superseded');
    expect(events.map(({ reason }) => reason)).toContain('ClusterForgotten');
  });

  it('is invalid once it belongs to an earlier enrolment', async () => {
    const before = await enrolled('eu');
    const after = await enrolled('eu', 2);
    expect(await codeOf(identity.admit(after))).toBe('taken');
    expect(await codeOf(identity.recheck(before))).toBe('superseded');
  });
});
