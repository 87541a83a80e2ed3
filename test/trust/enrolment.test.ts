import { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CLOSE_CODES, ENROL_PATH, parseToken, RENEW_PATH } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { newKey, requestCertificate } from '../../agent/identity/certificate.ts';
import { enrol, fetchCa, HubRefusal, renew } from '../../agent/identity/hub-requests.ts';
import { makeRequest } from '../../hub/identity/testing/identity.ts';
import { createCa, issueServer } from '../../hub/identity/x509.ts';
import { askHub, caOf, enrolAgent, issueToken, readCaOfHub, useToken } from '../harness/enrolment-client.ts';
import { useEnrolment } from '../harness/enrolment-suite.ts';
import { openHubHarness } from '../harness/hub-harness.ts';
import { connectStream } from '../harness/stream-client.ts';
import { never, printMs } from '../harness/waiting.ts';

const enrolment = useEnrolment();
const signal = never;

describe('an agent with a token', () => {
  it('enrols, connects with its certificate, and is seen', async () => {
    await enrolment.start();
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const stream = await enrolment.joinHub(agent);
    const { revision } = await stream.next('offer');
    await expect.poll(async () => (await enrolment.hub.ledger.source())?.revision?.revision).toBe(revision);
    await expect.poll(async () => (await enrolment.hub.ledger.cluster('eu'))?.connected).toBe(true);
    expect(await enrolment.reasonsOf()).toEqual(expect.arrayContaining(['EnrolmentTokenIssued eu', 'ClusterEnrolled eu']));
    expect(statSync(join(enrolment.folder, 'identity', 'ca.key')).mode & 0o777).toBe(0o600);
    stream.close();
  });

  it('trusts only the CA with the fingerprint of the token, and learns why it is refused', async () => {
    await enrolment.start();
    const token = await issueToken(enrolment.hub, 'eu');
    const fingerprint = new X509Certificate(enrolment.ca).fingerprint256.replaceAll(':', '').toLowerCase();
    const pinned = await fetchCa({ hubUrl: enrolment.hub.agentUrl }, fingerprint, undefined, signal);
    expect(new X509Certificate(pinned).fingerprint256).toBe(new X509Certificate(enrolment.ca).fingerprint256);
    await expect(fetchCa({ hubUrl: enrolment.hub.agentUrl }, 'ab'.repeat(32), undefined, signal)).rejects.toThrow(
      'the hub does not have the CA that the token names',
    );
    const key = newKey();
    const csr = await requestCertificate(key);
    const issued = await enrol({ hubUrl: enrolment.hub.agentUrl }, { token, csr }, pinned, signal);
    const next = await renew(
      { hubUrl: enrolment.hub.agentUrl },
      await requestCertificate(newKey()),
      { cert: issued.certificate, key, ca: issued.ca },
      signal,
    );
    expect([issued.cluster, next.cluster]).toEqual(['eu', 'eu']);
    const refused: unknown = await enrol(
      { hubUrl: enrolment.hub.agentUrl },
      { token, csr: await requestCertificate(newKey()) },
      pinned,
      signal,
    ).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'HubRefusal', code: 'token-used', message: expect.stringContaining('the token was used at') });
    expect(refused).toBeInstanceOf(HubRefusal);
  });

  it('accepts neither an agent as the hub, nor a hub with another CA', async () => {
    await enrolment.start();
    const token = await issueToken(enrolment.hub, 'eu');
    const eu = await enrolAgent(enrolment.hub, 'us', enrolment.ca);
    const other = await openHubHarness();
    try {
      const stranger = await other.startHub({ config: { identity: { ca: undefined, hostnames: [] } } });
      await expect(enrol({ hubUrl: stranger.agentUrl }, { token, csr: (await makeRequest()).csr }, enrolment.ca, signal)).rejects.toThrow(
        'a certificate of another CA',
      );
      const impostor = await other.startHub({
        config: { identity: { ca: undefined, hostnames: [] }, agentTls: eu, dataDir: join(other.folder, 'impostor') },
      });
      await expect(enrol({ hubUrl: impostor.agentUrl }, { token, csr: (await makeRequest()).csr }, enrolment.ca, signal)).rejects.toThrow();
      await expect(connectStream(impostor.agentUrl, '', 'us', eu)).rejects.toThrow();
    } finally {
      await other.close();
    }
    // None of these used up the token.
    expect((await useToken(enrolment.hub, token, enrolment.ca)).cluster).toBe('eu');
  });

  it('learns the CA of the listener if it differs from that of the agents', async () => {
    const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const publicCa = await createCa('a public CA', validity);
    const config = { identity: { ca: undefined, hostnames: [] }, agentTls: await issueServer(publicCa, ['127.0.0.1'], validity) };
    enrolment.hub = await enrolment.bench.startHub({ config });
    const token = await issueToken(enrolment.hub, 'eu');
    const fingerprint = parseToken(token)?.caFingerprint ?? '';
    const agentsCa = await fetchCa({ hubUrl: enrolment.hub.agentUrl }, fingerprint, publicCa.cert, signal);
    const key = newKey();
    const content = { token, csr: await requestCertificate(key) };
    await expect(enrol({ hubUrl: enrolment.hub.agentUrl }, content, agentsCa, signal)).rejects.toThrow('a certificate of another CA');
    const issued = await enrol({ hubUrl: enrolment.hub.agentUrl }, content, publicCa.cert, signal);
    (
      await enrolment.joinHub({ cluster: 'eu', cert: issued.certificate, key, ca: publicCa.cert, expires: new Date(issued.expires) })
    ).close();
  });

  it('refuses a hub whose certificate lacks its name', async () => {
    const config = { identity: { ca: undefined, hostnames: ['localhost'] }, agentListen: { host: '0.0.0.0', port: 0 } };
    enrolment.hub = await enrolment.bench.startHub({ config });
    const agent = await enrolAgent(enrolment.hub, 'eu', caOf(enrolment.folder));
    const other = enrolment.hub.agentUrl.replace('localhost', '127.0.0.2');
    const renewal = renew({ hubUrl: other }, (await makeRequest()).csr, agent, signal);
    await expect(renewal).rejects.toThrow('is not for 127.0.0.2: set FSO_AGENT_HOSTNAMES');
  });

  it('is accepted once, however many try at the same time', async () => {
    await enrolment.start();
    const token = await issueToken(enrolment.hub, 'eu');
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => useToken(enrolment.hub, token, enrolment.ca)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await enrolment.hub.identity?.get('eu'))?.generation).toBe(1);
  });

  it('is still known after a restart of the hub', async () => {
    await enrolment.start();
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const spent = await issueToken(enrolment.hub, 'us');
    await useToken(enrolment.hub, spent, enrolment.ca);
    await enrolment.hub.stop();
    const before = enrolment.ca;
    await enrolment.start();
    expect(enrolment.ca).toBe(before);
    (await enrolment.joinHub(agent)).close();
    await expect(useToken(enrolment.hub, spent, enrolment.ca)).rejects.toThrow('token-used');
  });
});

describe('revocation', () => {
  it('closes the stream, and the hub accepts nothing of the cluster until it enrols again', async () => {
    await enrolment.start();
    const [agent, bystander] = [await enrolAgent(enrolment.hub, 'eu', enrolment.ca), await enrolAgent(enrolment.hub, 'eu-1', enrolment.ca)];
    const [stream, other] = [await enrolment.joinHub(agent), await enrolment.joinHub(bystander)];
    const open = await issueToken(enrolment.hub, 'eu');
    const list = await enrolment.fso('clusters', 'list');
    expect(list.out).toMatch(/^eu +yes +enrolled, token good in \S+ +in 23h +Connected/m);

    const began = performance.now();
    await enrolment.hub.identity?.revoke('eu');
    expect(await stream.closed).toMatchObject({ code: CLOSE_CODES.unauthorized, reason: expect.stringContaining('eu was revoked') });
    printMs('revoked → the stream is closed', performance.now() - began);
    await expect(connectStream(enrolment.hub.agentUrl, '', 'eu', agent)).rejects.toThrow('HTTP 403');
    const renewal = await askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr: (await makeRequest()).csr });
    expect([renewal.status, renewal.body]).toEqual([403, expect.stringContaining('revoked')]);
    await expect(useToken(enrolment.hub, open, enrolment.ca)).rejects.toThrow('token-unknown');
    // The other one stays connected.
    other.send({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] });
    await other.next('reported');

    const token = JSON.parse((await enrolment.fso('clusters', 'token', 'eu', '-o', 'json')).out) as { token: string };
    (await enrolment.joinHub(await useToken(enrolment.hub, token.token, enrolment.ca))).close();
    await expect(connectStream(enrolment.hub.agentUrl, '', 'eu', agent)).rejects.toThrow('HTTP 403');
    other.close();
  });

  it('works by the command, also for a cluster with a static token', async () => {
    await enrolment.start();
    const stream = await connectStream(enrolment.hub.agentUrl, 'token-of-us-0123456789', 'us', { ca: enrolment.ca });
    stream.hello();
    await stream.next('welcome');
    expect((await enrolment.fso('clusters', 'revoke', 'us', '--yes')).code).toBe(0);
    expect((await stream.closed).code).toBe(CLOSE_CODES.unauthorized);
    await expect(connectStream(enrolment.hub.agentUrl, 'token-of-us-0123456789', 'us', { ca: enrolment.ca })).rejects.toThrow('HTTP 403');
    await enrolAgent(enrolment.hub, 'us', enrolment.ca);
    await expect(connectStream(enrolment.hub.agentUrl, 'token-of-us-0123456789', 'us', { ca: enrolment.ca })).rejects.toThrow('HTTP 403');
    expect(await enrolment.reasonsOf()).toContain('ClusterRevoked us');
  });

  it('an enrolment replaces the previous one at once', async () => {
    await enrolment.start();
    const before = await enrolment.joinHub(await enrolAgent(enrolment.hub, 'eu', enrolment.ca));
    const after = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    expect(await before.closed).toMatchObject({ code: CLOSE_CODES.unauthorized, reason: expect.stringContaining('enrolled again') });
    (await enrolment.joinHub(after)).close();
  });
});

describe('the listener', () => {
  it('writes few lines about requests without credentials', async () => {
    const lines: string[] = [];
    await enrolment.start({ logger: pino({}, { write: (line: string) => void lines.push(line) }) });
    for (let i = 0; i < 30; i += 1) expect((await askHub(enrolment.hub, `POST ${RENEW_PATH}`, { ca: enrolment.ca }, {})).status).toBe(401);
    for (let i = 0; i < 30; i += 1)
      await expect(connectStream(enrolment.hub.agentUrl, 'no token', 'eu', { ca: enrolment.ca })).rejects.toThrow('HTTP 401');
    const countOf = (message: string) => lines.filter((line) => line.includes(`"msg":"${message}"`)).length;
    // Each minute allows another one.
    for (const message of ['enrolment request refused', 'agent refused'])
      expect(countOf(message)).toSatisfy((n: number) => n >= 10 && n < 20);
  });

  it('limits bodies and requests', async () => {
    await enrolment.start({ clock: { ...systemClock, monotonicMs: () => 0 }, identityLimits: { requestBurst: 5 } });
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const huge = await askHub(enrolment.hub, `POST ${ENROL_PATH}`, { ca: enrolment.ca }, { token: 'x'.repeat(200_000), csr: '' }).catch(
      (error: Error) => error.message,
    );
    expect(JSON.stringify(huge)).toMatch(/bad-request|ECONNRESET|EPIPE/);
    const statuses = [];
    for (let i = 0; i < 8; i += 1)
      statuses.push((await askHub(enrolment.hub, `POST ${ENROL_PATH}`, { ca: enrolment.ca }, 'no json')).status);
    expect(statuses.slice(0, 3)).toEqual([400, 400, 400]);
    expect(statuses).toContain(429);
    // An agent with a certificate is not delayed by others at its address.
    const { csr } = await makeRequest();
    expect((await askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr })).status).toBe(200);
  });

  it('limits how often one token is used again by the key that it is good for', async () => {
    await enrolment.start({ clock: { ...systemClock, monotonicMs: () => 0 }, identityLimits: { renewalBurst: 2 } });
    const [token, other] = [await issueToken(enrolment.hub, 'eu'), await issueToken(enrolment.hub, 'us')];
    const { csr } = await makeRequest();
    const statuses: number[] = [];
    for (const used of [token, token, token, other])
      statuses.push((await askHub(enrolment.hub, `POST ${ENROL_PATH}`, { ca: enrolment.ca }, { token: used, csr })).status);
    expect(statuses).toEqual([200, 200, 429, 200]);
  });

  it('does not count successful requests, however many come from one address', async () => {
    await enrolment.start({ identityLimits: { requestBurst: 3 } });
    for (let i = 0; i < 8; i += 1) await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
  });

  it('serves nothing else', async () => {
    await enrolment.start();
    expect((await readCaOfHub(enrolment.hub, enrolment.ca)).body).toBe(enrolment.ca);
    for (const [method, path, status] of [
      ['GET', ENROL_PATH, 405],
      ['PUT', RENEW_PATH, 405],
      ['GET', '/', 426],
      ['GET', '/api/v1/clusters', 426],
      ['GET', '/metrics', 426],
      ['POST', '/api/v1/clusters/eu/enrolment-token', 426],
    ] as const) {
      expect([path, (await askHub(enrolment.hub, `${method} ${path}`, { ca: enrolment.ca })).status]).toEqual([path, status]);
    }
  });
});
