// The X.509 library finds its algorithms by decorators, which need this first.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BasicConstraintsExtension, SubjectKeyIdentifierExtension, X509CertificateGenerator } from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeyedStore } from '../ledger/index.ts';
import { fixedClock } from '../ledger/testing/ledger.ts';
import { createMemoryLedger } from '../ledger/testing/memory-ledger.ts';
import { createAuthority, openAuthority } from './authority.ts';
import { readRequest } from './csr.ts';
import { makeRequest } from './testing/identity.ts';
import { createCa, issueServer, newSerial } from './x509.ts';

const NOW = new Date('2026-01-03T10:30:00Z');
const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };

let folder: string;
let records: KeyedStore;
beforeEach(async () => {
  ({ records } = createMemoryLedger({ clock: fixedClock }));
  folder = await mkdtemp(join(tmpdir(), 'fso-ca-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const keepAuthority = (now: Date = NOW) => openAuthority({ folder, given: undefined, now, records });

describe('the CA of the agents', () => {
  it('is made once, with a key for its owner alone', async () => {
    const made = await keepAuthority();
    expect((await keepAuthority()).fingerprint).toBe(made.fingerprint);
    expect((await stat(join(folder, 'ca.key'))).mode & 0o777).toBe(0o600);
    expect(made.expires.getUTCFullYear()).toBe(2036);
  });

  it('is never replaced in silence', async () => {
    await keepAuthority();
    await rm(join(folder, 'ca.key'));
    await expect(keepAuthority()).rejects.toThrow('ca.key missing');
    await writeFile(join(folder, 'ca.key'), (await createCa('other', validity)).key);
    await expect(keepAuthority()).rejects.toThrow('the key does not belong to the first certificate');
  });

  it('starts again where the start before was cut off, and keeps the key that it found', async () => {
    await writeFile(join(folder, 'ca.key'), 'half');
    expect((await keepAuthority()).fingerprint).toMatch(/^[0-9a-f]{64}$/);
    const [aside = '', ...others] = (await readdir(folder)).filter((name) => name.startsWith('ca.key.'));
    expect([await readFile(join(folder, aside), 'utf8'), others]).toEqual(['half', []]);
  });

  it.each([[['ca.crt']], [['ca.key']], [['ca.crt', 'ca.key']]])(
    'is not replaced where it is lost while agents have enrolled or pin it: %s',
    async (lost) => {
      await keepAuthority();
      for (const name of lost) await rm(join(folder, name));
      const left = await readdir(folder);
      await expect(keepAuthority()).rejects.toThrow(`${lost.join(' and ')} missing. Put back`);
      expect(await readdir(folder)).toEqual(left);
    },
  );

  it.each([[[]], [['ca.crt']], [['ca.crt', 'ca.key']]])('is replaced once on request, and its remains are kept: lost %s', async (lost) => {
    const { fingerprint } = await keepAuthority();
    for (const name of lost) await rm(join(folder, name));
    await writeFile(join(folder, 'new-ca'), '');
    const made = await keepAuthority();
    expect(made.fingerprint).not.toBe(fingerprint);
    expect((await keepAuthority()).fingerprint).toBe(made.fingerprint);
    expect((await readdir(folder)).length).toBe(2 + 2 - lost.length);
  });

  it('issues certificates that name their owner', async () => {
    const authority = await keepAuthority(new Date());
    const { publicKey } = await readRequest((await makeRequest({ subject: 'CN=us', uri: 'fso://cluster/us' })).csr);
    const pem = await authority.issueAgent({ cluster: 'eu', generation: 3, serial: newSerial(), publicKey, ...validity });
    const certificate = new X509Certificate(pem);
    expect(certificate.subjectAltName).toBe('URI:fso://cluster/eu');
    expect(certificate.toLegacyObject().subject).toMatchObject({ serialNumber: '3' });
    expect([certificate.ca, certificate.keyUsage]).toEqual([false, ['1.3.6.1.5.5.7.3.2']]);
    expect(authority.hasIssued(certificate, validity.notBefore)).toBe(true);
  });

  it('accepts a successor: the first of several signs, all are trusted', async () => {
    const [before, after] = [await createCa('before', validity), await createCa('after', validity)];
    const old = createAuthority(before);
    const { publicKey } = await readRequest((await makeRequest()).csr);
    const agent = new X509Certificate(await old.issueAgent({ cluster: 'eu', generation: 1, serial: newSerial(), publicKey, ...validity }));
    const both = createAuthority({ cert: `${after.cert}${before.cert}`, key: after.key });
    expect([both.hasIssued(agent, validity.notBefore), createAuthority(after).hasIssued(agent, validity.notBefore)]).toEqual([true, false]);
    expect(both.fingerprint).toBe(createAuthority(after).fingerprint);
    expect(() => createAuthority({ cert: `${after.cert}${before.cert}`, key: before.key })).toThrow('does not belong');
  });

  it('verifies no agent once it has expired', async () => {
    const authority = createAuthority(await createCa('expired', validity));
    const { publicKey } = await readRequest((await makeRequest()).csr);
    const notAfter = new Date(validity.notAfter.getTime() + 86_400_000);
    const pem = await authority.issueAgent({ cluster: 'eu', generation: 1, serial: newSerial(), publicKey, ...validity, notAfter });
    const agent = new X509Certificate(pem);
    const last = validity.notAfter.getTime();
    expect([last - 1_000, last + 1_000].map((at) => authority.hasIssued(agent, new Date(at)))).toEqual([true, false]);
  });

  it('must be a CA', async () => {
    const authority = await keepAuthority();
    const server = await authority.issueServer(['localhost'], validity);
    expect(() => createAuthority(server)).toThrow('is no CA');
  });
});

const makeCa = (name: string) =>
  createCa(name, { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2036-01-01T00:00:00Z') });

it('is shared by hubs on one database, or followed by one', async () => {
  const [old, next] = [await makeCa('old'), await makeCa('next')];
  const agree = (certificates: readonly string[], key: string) =>
    openAuthority({ folder, given: { cert: certificates.join('\n'), key }, now: NOW, records });
  await agree([old.cert], old.key);
  await agree([old.cert], old.key);
  await expect(agree([next.cert], next.key)).rejects.toThrow(/is another one than this database knows .*give all hubs on it the same one/);
  // As docs/operate/run-the-hub.md#the-ca-of-the-agents says: behind the old one, before it, alone.
  await agree([old.cert, next.cert], old.key);
  await agree([next.cert, old.cert], next.key);
  await agree([old.cert, next.cert], old.key);
  await agree([next.cert, old.cert], next.key);
  await agree([next.cert], next.key);
  await expect(agree([old.cert], old.key)).rejects.toThrow(/is another one/);
});

it('is stored in the database once it is requested, also after an interrupted start', async () => {
  const old = await keepAuthority();
  const before = { cert: await readFile(join(folder, 'ca.crt'), 'utf8'), key: await readFile(join(folder, 'ca.key'), 'utf8') };
  await writeFile(join(folder, 'new-ca'), '');
  const update = records.update.bind(records);
  records.update = () => Promise.reject(new Error('the database is away'));
  await expect(keepAuthority()).rejects.toThrow('away');
  records.update = update;
  const made = await keepAuthority();
  expect(made.fingerprint).not.toBe(old.fingerprint);
  expect((await keepAuthority()).fingerprint).toBe(made.fingerprint);
  // A hub that still has the one before.
  for (const name of ['ca.crt', 'ca.key']) await writeFile(join(folder, name), name === 'ca.crt' ? before.cert : before.key);
  await expect(keepAuthority()).rejects.toThrow(/is another one than this database knows .*make an empty file .*new-ca and start the hub/);
});

it('identifies its key in issued certificates by its own method', async () => {
  const { key } = await createCa('other', validity);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const made = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=other',
    ...validity,
    signingAlgorithm: algorithm,
    keys: {
      privateKey: createPrivateKey(key).toCryptoKey(algorithm, false, ['sign']),
      publicKey: createPublicKey(key).toCryptoKey(algorithm, true, ['verify']),
    },
    extensions: [new BasicConstraintsExtension(true, 0, true), new SubjectKeyIdentifierExtension('ab'.repeat(20))],
  });
  const ca = { cert: made.toString('pem'), key };
  const { cert } = await issueServer(ca, ['hub'], validity);
  expect(new X509Certificate(cert).checkIssued(new X509Certificate(ca.cert))).toBe(true);
});
