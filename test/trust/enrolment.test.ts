import { X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { CLOSE_CODES, ENROL_PATH, IssuedIdentity, parseToken, RENEW_PATH } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newKey, requestCertificate } from '../../agent/identity/certificate.ts';
import { enrol, fetchCa, HubRefusal, renew } from '../../agent/identity/hub-requests.ts';
import { runFso } from '../../hub/cli/testing/run-fso.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { makeRequest } from '../../hub/identity/testing/identity.ts';
import { createCa, issueServer } from '../../hub/identity/x509.ts';
import { askHub, caOf, type EnrolledAgent, enrolAgent, issueToken, readCaOfHub, useToken } from '../harness/enrolment-client.ts';
import { type HubHarness, openHubHarness } from '../harness/hub-harness.ts';
import { basicRepository } from '../harness/policy-files.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import { never, printMs, waitFor } from '../harness/waiting.ts';

const API_TOKEN = 'api-token-0123456789';
const signal = never;

let bench: HubHarness;
let hub: RunningHub;
let ca: string;
let folder: string;
type Limits = NonNullable<Parameters<HubHarness['startHub']>[0]>['deps'];

const start = async (deps: Limits = {}): Promise<RunningHub> => {
  hub = await bench.startHub({ config: { identity: { ca: undefined, hostnames: [] }, apiToken: API_TOKEN }, deps });
  ca = caOf(folder);
  return hub;
};
beforeEach(async () => {
  bench = await openHubHarness();
  await bench.repository.commit(basicRepository(), 'first');
  folder = join(bench.folder, 'hub');
});
afterEach(() => bench.close());

const joinHub = async (agent: EnrolledAgent): Promise<StreamClient> => {
  const stream = await connectStream(hub.agentUrl, '', agent.cluster, agent);
  stream.hello();
  await stream.next('welcome');
  return stream;
};
const fso = (...args: string[]) => runFso(args, { FSO_SERVER: hub.url, FSO_TOKEN: API_TOKEN });
const reasonsOf = async (): Promise<string[]> =>
  (await hub.ledger.events({ limit: 100 })).map(({ reason, cluster }) => `${reason} ${cluster}`);

describe('an agent with a token', () => {
  it('enrols, connects with its certificate, and is seen', async () => {
    await start();
    const agent = await enrolAgent(hub, 'eu', ca);
    const stream = await joinHub(agent);
    const { revision } = await stream.next('offer');
    await expect.poll(async () => (await hub.ledger.source())?.revision?.revision).toBe(revision);
    await expect.poll(async () => (await hub.ledger.cluster('eu'))?.connected).toBe(true);
    expect(await reasonsOf()).toEqual(expect.arrayContaining(['EnrolmentTokenIssued eu', 'ClusterEnrolled eu']));
    expect(statSync(join(folder, 'identity', 'ca.key')).mode & 0o777).toBe(0o600);
    stream.close();
  });

  it('trusts only the CA with the fingerprint of the token, and learns why it is refused', async () => {
    await start();
    const token = await issueToken(hub, 'eu');
    const fingerprint = new X509Certificate(ca).fingerprint256.replaceAll(':', '').toLowerCase();
    const pinned = await fetchCa({ hubUrl: hub.agentUrl }, fingerprint, undefined, signal);
    expect(new X509Certificate(pinned).fingerprint256).toBe(new X509Certificate(ca).fingerprint256);
    await expect(fetchCa({ hubUrl: hub.agentUrl }, 'ab'.repeat(32), undefined, signal)).rejects.toThrow(
      'the hub does not have the CA that the token names',
    );
    const key = newKey();
    const csr = await requestCertificate(key);
    const issued = await enrol({ hubUrl: hub.agentUrl }, { token, csr }, pinned, signal);
    const next = await renew(
      { hubUrl: hub.agentUrl },
      await requestCertificate(newKey()),
      { cert: issued.certificate, key, ca: issued.ca },
      signal,
    );
    expect([issued.cluster, next.cluster]).toEqual(['eu', 'eu']);
    const refused: unknown = await enrol(
      { hubUrl: hub.agentUrl },
      { token, csr: await requestCertificate(newKey()) },
      pinned,
      signal,
    ).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'HubRefusal', code: 'token-used', message: expect.stringContaining('the token was used at') });
    expect(refused).toBeInstanceOf(HubRefusal);
  });

  it('accepts neither an agent as the hub, nor a hub with another CA', async () => {
    await start();
    const token = await issueToken(hub, 'eu');
    const eu = await enrolAgent(hub, 'us', ca);
    const other = await openHubHarness();
    try {
      const stranger = await other.startHub({ config: { identity: { ca: undefined, hostnames: [] } } });
      await expect(enrol({ hubUrl: stranger.agentUrl }, { token, csr: (await makeRequest()).csr }, ca, signal)).rejects.toThrow(
        'a certificate of another CA',
      );
      const impostor = await other.startHub({
        config: { identity: { ca: undefined, hostnames: [] }, agentTls: eu, dataDir: join(other.folder, 'impostor') },
      });
      await expect(enrol({ hubUrl: impostor.agentUrl }, { token, csr: (await makeRequest()).csr }, ca, signal)).rejects.toThrow();
      await expect(connectStream(impostor.agentUrl, '', 'us', eu)).rejects.toThrow();
    } finally {
      await other.close();
    }
    // None of these used up the token.
    expect((await useToken(hub, token, ca)).cluster).toBe('eu');
  });

  it('learns the CA of the listener if it differs from that of the agents', async () => {
    const validity = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
    const publicCa = await createCa('a public CA', validity);
    const config = { identity: { ca: undefined, hostnames: [] }, agentTls: await issueServer(publicCa, ['127.0.0.1'], validity) };
    hub = await bench.startHub({ config });
    const token = await issueToken(hub, 'eu');
    const fingerprint = parseToken(token)?.caFingerprint ?? '';
    const agentsCa = await fetchCa({ hubUrl: hub.agentUrl }, fingerprint, publicCa.cert, signal);
    const key = newKey();
    const content = { token, csr: await requestCertificate(key) };
    await expect(enrol({ hubUrl: hub.agentUrl }, content, agentsCa, signal)).rejects.toThrow('a certificate of another CA');
    const issued = await enrol({ hubUrl: hub.agentUrl }, content, publicCa.cert, signal);
    (await joinHub({ cluster: 'eu', cert: issued.certificate, key, ca: publicCa.cert, expires: new Date(issued.expires) })).close();
  });

  it('refuses a hub whose certificate lacks its name', async () => {
    const config = { identity: { ca: undefined, hostnames: ['localhost'] }, agentListen: { host: '0.0.0.0', port: 0 } };
    hub = await bench.startHub({ config });
    const agent = await enrolAgent(hub, 'eu', caOf(folder));
    const other = hub.agentUrl.replace('localhost', '127.0.0.2');
    const renewal = renew({ hubUrl: other }, (await makeRequest()).csr, agent, signal);
    await expect(renewal).rejects.toThrow('is not for 127.0.0.2: set FSO_AGENT_HOSTNAMES');
  });

  it('is accepted once, however many try at the same time', async () => {
    await start();
    const token = await issueToken(hub, 'eu');
    const tries = await Promise.allSettled(Array.from({ length: 10 }, () => useToken(hub, token, ca)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await hub.identity?.get('eu'))?.generation).toBe(1);
  });

  it('is still known after a restart of the hub', async () => {
    await start();
    const agent = await enrolAgent(hub, 'eu', ca);
    const spent = await issueToken(hub, 'us');
    await useToken(hub, spent, ca);
    await hub.stop();
    const before = ca;
    await start();
    expect(ca).toBe(before);
    (await joinHub(agent)).close();
    await expect(useToken(hub, spent, ca)).rejects.toThrow('token-used');
  });
});

describe('a certificate', () => {
  it('is renewed over the connection that shows it, whatever the request claims', async () => {
    await start();
    const agent = await enrolAgent(hub, 'eu', ca);
    const { csr, key } = await makeRequest({ subject: 'CN=us', uri: 'fso://cluster/us' });
    const { status, body } = await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
    const issued = IssuedIdentity.parse(JSON.parse(body));
    expect([status, new X509Certificate(issued.certificate).subjectAltName]).toEqual([200, 'URI:fso://cluster/eu']);
    (await joinHub({ ...agent, cert: issued.certificate, key })).close();
  });

  it('that is no longer valid, or is an older copy, does not use up the renewals of the agent', async () => {
    await start({ identityLimits: { renewalBurst: 2 } });
    const superseded = await enrolAgent(hub, 'eu', ca);
    const older = await enrolAgent(hub, 'eu', ca);
    const { csr, key } = await makeRequest();
    const renewWith = (agent: EnrolledAgent) => askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
    const current = { ...older, cert: IssuedIdentity.parse(JSON.parse((await renewWith(older)).body)).certificate, key };
    const statuses: number[] = [];
    for (const agent of [superseded, superseded, superseded, older, older]) statuses.push((await renewWith(agent)).status);
    expect(statuses).toEqual([403, 403, 429, 200, 429]);
    expect((await renewWith(current)).status).toBe(200);
    const ofAgents = async () =>
      (await hub.ledger.audit.after(0, 100))
        .filter(({ action }) => action.startsWith('cluster.'))
        .map(({ action, subject, from }) => `${action} ${subject} ${from}`)
        .toSorted();
    // One refusal a minute is recorded, and a refused client does not wait for that.
    await expect
      .poll(ofAgents)
      .toEqual([
        ...[1, 2].map(() => 'cluster.enrol eu 127.0.0.1'),
        'cluster.refuse eu 127.0.0.1',
        ...[1, 2, 3].map(() => 'cluster.renew eu 127.0.0.1'),
      ]);
  });

  it('ends its stream when it expires, and may be renewed for a while after', async () => {
    // Backdated by 5 min, so it is good for 4 s.
    await start({ identityLimits: { certificateMs: 304_000 } });
    const agent = await enrolAgent(hub, 'eu', ca);
    const stream = await joinHub(agent);
    expect(await stream.closed).toMatchObject({ code: CLOSE_CODES.unauthorized, reason: expect.stringContaining('expired') });
    expect(Date.now()).toBeGreaterThanOrEqual(agent.expires.getTime());
    await expect(connectStream(hub.agentUrl, '', 'eu', agent)).rejects.toThrow('HTTP 401');
    const { csr, key } = await makeRequest();
    const { status, body } = await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
    expect(status).toBe(200);
    const fresh = { ...agent, cert: IssuedIdentity.parse(JSON.parse(body)).certificate, key };
    (await joinHub(fresh)).close();
    // A copy of the old key is invalid once the new certificate was shown.
    const copy = await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
    expect([copy.status, copy.body]).toEqual([403, expect.stringContaining('superseded')]);
  });

  it('that expired is renewed no more often than its cluster may, however many of them an agent has kept', async () => {
    // No time for the limits, which are 2 for a certificate and 12 for a cluster. Certificates are good for 10 s.
    const clock = { ...systemClock, monotonicMs: () => 0 };
    await start({ clock, identityLimits: { certificateMs: 310_000, renewalBurst: 2 } });
    const { csr, key } = await makeRequest();
    const renewWith = (agent: EnrolledAgent) => askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
    let agent = await enrolAgent(hub, 'eu', ca);
    const kept = [agent];
    while (kept.length < 13) {
      agent = { ...agent, cert: IssuedIdentity.parse(JSON.parse((await renewWith(agent)).body)).certificate, key };
      kept.push(agent);
    }
    await waitFor(() => expect(Date.now()).toBeGreaterThan(new X509Certificate(agent.cert).validToDate.getTime()));
    const statuses: number[] = [];
    for (const each of kept) statuses.push((await renewWith(each)).status);
    expect(statuses).toEqual([...Array.from({ length: 12 }, () => 200), 429]);
  });

  it('that is not valid yet, because the clock of the hub was ahead, opens no stream and is renewed only if it is the last', async () => {
    await start();
    await hub.stop();
    // Within the hour by which the CA and the certificate of the listener are backdated.
    const ahead = { ...systemClock, now: () => new Date(Date.now() + 1_800_000) };
    await start({ clock: ahead });
    const copy = await enrolAgent(hub, 'eu', ca);
    const renewed = async (agent: EnrolledAgent): Promise<EnrolledAgent> => {
      const { csr, key } = await makeRequest();
      const { status, body } = await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr });
      if (status !== 200) throw new Error(`${status} ${body}`);
      return { ...agent, cert: IssuedIdentity.parse(JSON.parse(body)).certificate, key };
    };
    const early = await renewed(copy);
    await hub.stop();
    await start();
    await expect(connectStream(hub.agentUrl, '', 'eu', early)).rejects.toThrow('HTTP 401');
    const next = await renewed(early);
    (await joinHub(next)).close();
    for (const old of [copy, early]) await expect(renewed(old)).rejects.toThrow('superseded');
  });

  it('of the listener is replaced while streams stay open', async () => {
    await start({ identityLimits: { serverCertificateMs: 3_000 } });
    const agent = await enrolAgent(hub, 'eu', ca);
    const stream = await joinHub(agent);
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { hostname: host, port } = new URL(hub.agentUrl);
        const socket = connectTls({ host, port: Number(port), ca }, () => {
          resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
          socket.destroy();
        });
        socket.on('error', reject);
      });
    const first = await shown();
    await waitFor(async () => expect(await shown()).not.toBe(first));
    stream.send({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] });
    expect((await stream.next('reported')).seq).toBe(1);
    stream.close();
  });
});

/** Asks for the stream over a TLS connection that may resume an earlier one. @returns status, whether it was resumed, and the next ticket */
const upgradeOver = (agent: EnrolledAgent, maxVersion: 'TLSv1.2' | 'TLSv1.3', session?: Buffer) =>
  new Promise<{ status: string; resumed: boolean; ticket: Buffer | undefined }>((resolve, reject) => {
    const { hostname: host, port } = new URL(hub.agentUrl);
    let ticket: Buffer | undefined;
    const socket = connectTls({ host, port: Number(port), ...agent, maxVersion, ...(session && { session }) }, () => {
      socket.write(
        'GET /agent/v1/stream HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      );
    });
    socket.on('session', (given) => {
      ticket = given;
    });
    socket.on('error', reject);
    socket.once('data', (data) => {
      resolve({
        status: data.toString('latin1').split(' ')[1] ?? '',
        resumed: socket.isSessionReused(),
        ticket: ticket ?? socket.getSession(),
      });
      socket.destroy();
    });
  });

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a resumed TLS session (%s)', (version) => {
  it('proves the same cluster, and nothing after its revocation', async () => {
    await start();
    const agent = await enrolAgent(hub, 'eu', ca);
    const first = await upgradeOver(agent, version);
    expect([first.status, first.resumed]).toEqual(['101', false]);
    expect(await upgradeOver(agent, version, first.ticket)).toMatchObject({ status: '101', resumed: true });
    await hub.identity?.revoke('eu');
    expect(await upgradeOver(agent, version, first.ticket)).toMatchObject({ status: '403', resumed: true });
  });

  it('does not outlive the certificate', async () => {
    await start({ identityLimits: { certificateMs: 304_000 } });
    const agent = await enrolAgent(hub, 'eu', ca);
    const first = await upgradeOver(agent, version);
    await waitFor(() => expect(Date.now()).toBeGreaterThan(agent.expires.getTime()));
    expect(await upgradeOver(agent, version, first.ticket)).toMatchObject({ status: '401', resumed: true });
  });
});

describe('revocation', () => {
  it('closes the stream, and the hub accepts nothing of the cluster until it enrols again', async () => {
    await start();
    const [agent, bystander] = [await enrolAgent(hub, 'eu', ca), await enrolAgent(hub, 'eu-1', ca)];
    const [stream, other] = [await joinHub(agent), await joinHub(bystander)];
    const open = await issueToken(hub, 'eu');
    const list = await fso('clusters', 'list');
    expect(list.out).toMatch(/^eu +yes +enrolled, token good in \S+ +in 23h +Connected/m);

    const began = performance.now();
    await hub.identity?.revoke('eu');
    expect(await stream.closed).toMatchObject({ code: CLOSE_CODES.unauthorized, reason: expect.stringContaining('eu was revoked') });
    printMs('revoked → the stream is closed', performance.now() - began);
    await expect(connectStream(hub.agentUrl, '', 'eu', agent)).rejects.toThrow('HTTP 403');
    const renewal = await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr: (await makeRequest()).csr });
    expect([renewal.status, renewal.body]).toEqual([403, expect.stringContaining('revoked')]);
    await expect(useToken(hub, open, ca)).rejects.toThrow('token-unknown');
    // The other one stays connected.
    other.send({ type: 'report', seq: 1, full: true, policies: [], removed: [], events: [] });
    await other.next('reported');

    const token = JSON.parse((await fso('clusters', 'token', 'eu', '-o', 'json')).out) as { token: string };
    (await joinHub(await useToken(hub, token.token, ca))).close();
    await expect(connectStream(hub.agentUrl, '', 'eu', agent)).rejects.toThrow('HTTP 403');
    other.close();
  });

  it('by the command, also of a cluster with a static token', async () => {
    await start();
    const stream = await connectStream(hub.agentUrl, 'token-of-us-0123456789', 'us', { ca });
    stream.hello();
    await stream.next('welcome');
    expect((await fso('clusters', 'revoke', 'us', '--yes')).code).toBe(0);
    expect((await stream.closed).code).toBe(CLOSE_CODES.unauthorized);
    await expect(connectStream(hub.agentUrl, 'token-of-us-0123456789', 'us', { ca })).rejects.toThrow('HTTP 403');
    await enrolAgent(hub, 'us', ca);
    await expect(connectStream(hub.agentUrl, 'token-of-us-0123456789', 'us', { ca })).rejects.toThrow('HTTP 403');
    expect(await reasonsOf()).toContain('ClusterRevoked us');
  });

  it('an enrolment replaces the previous one at once', async () => {
    await start();
    const before = await joinHub(await enrolAgent(hub, 'eu', ca));
    const after = await enrolAgent(hub, 'eu', ca);
    expect(await before.closed).toMatchObject({ code: CLOSE_CODES.unauthorized, reason: expect.stringContaining('enrolled again') });
    (await joinHub(after)).close();
  });
});

describe('the listener', () => {
  it('writes few lines about requests without credentials', async () => {
    const lines: string[] = [];
    await start({ logger: pino({}, { write: (line: string) => void lines.push(line) }) });
    for (let i = 0; i < 30; i += 1) expect((await askHub(hub, `POST ${RENEW_PATH}`, { ca }, {})).status).toBe(401);
    for (let i = 0; i < 30; i += 1) await expect(connectStream(hub.agentUrl, 'no token', 'eu', { ca })).rejects.toThrow('HTTP 401');
    const countOf = (message: string) => lines.filter((line) => line.includes(`"msg":"${message}"`)).length;
    // Each minute allows another one.
    for (const message of ['enrolment request refused', 'agent refused'])
      expect(countOf(message)).toSatisfy((n: number) => n >= 10 && n < 20);
  });

  it('limits bodies and requests', async () => {
    await start({ clock: { ...systemClock, monotonicMs: () => 0 }, identityLimits: { requestBurst: 5 } });
    const agent = await enrolAgent(hub, 'eu', ca);
    const huge = await askHub(hub, `POST ${ENROL_PATH}`, { ca }, { token: 'x'.repeat(200_000), csr: '' }).catch(
      (error: Error) => error.message,
    );
    expect(JSON.stringify(huge)).toMatch(/bad-request|ECONNRESET|EPIPE/);
    const statuses = [];
    for (let i = 0; i < 8; i += 1) statuses.push((await askHub(hub, `POST ${ENROL_PATH}`, { ca }, 'no json')).status);
    expect(statuses.slice(0, 3)).toEqual([400, 400, 400]);
    expect(statuses).toContain(429);
    // An agent with a certificate is not delayed by others at its address.
    const { csr } = await makeRequest();
    expect((await askHub(hub, `POST ${RENEW_PATH}`, agent, { csr })).status).toBe(200);
  });

  it('limits how often one token is used again by the key that it is good for', async () => {
    await start({ clock: { ...systemClock, monotonicMs: () => 0 }, identityLimits: { renewalBurst: 2 } });
    const [token, other] = [await issueToken(hub, 'eu'), await issueToken(hub, 'us')];
    const { csr } = await makeRequest();
    const statuses: number[] = [];
    for (const used of [token, token, token, other])
      statuses.push((await askHub(hub, `POST ${ENROL_PATH}`, { ca }, { token: used, csr })).status);
    expect(statuses).toEqual([200, 200, 429, 200]);
  });

  it('does not count successful requests, however many come from one address', async () => {
    await start({ identityLimits: { requestBurst: 3 } });
    for (let i = 0; i < 8; i += 1) await enrolAgent(hub, 'eu', ca);
  });

  it('serves nothing else', async () => {
    await start();
    expect((await readCaOfHub(hub, ca)).body).toBe(ca);
    for (const [method, path, status] of [
      ['GET', ENROL_PATH, 405],
      ['PUT', RENEW_PATH, 405],
      ['GET', '/', 426],
      ['GET', '/api/v1/clusters', 426],
      ['GET', '/metrics', 426],
      ['POST', '/api/v1/clusters/eu/enrolment-token', 426],
    ] as const) {
      expect([path, (await askHub(hub, `${method} ${path}`, { ca })).status]).toEqual([path, status]);
    }
  });
});
