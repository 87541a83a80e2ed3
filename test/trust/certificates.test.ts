import { X509Certificate } from 'node:crypto';
import { connect as connectTls } from 'node:tls';
import { CLOSE_CODES, IssuedIdentity, RENEW_PATH } from '@fso/shared/protocol';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { makeRequest } from '../../hub/identity/testing/identity.ts';
import { askHub, type EnrolledAgent, enrolAgent } from '../harness/enrolment-client.ts';
import { useEnrolment } from '../harness/enrolment-suite.ts';
import { connectStream } from '../harness/stream-client.ts';
import { waitFor } from '../harness/waiting.ts';

const enrolment = useEnrolment();

describe('a certificate', () => {
  it('is renewed for the cluster of the connection, and ignores the name in the request', async () => {
    await enrolment.start();
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const { csr, key } = await makeRequest({ subject: 'CN=us', uri: 'fso://cluster/us' });
    const { status, body } = await askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr });
    const issued = IssuedIdentity.parse(JSON.parse(body));
    expect([status, new X509Certificate(issued.certificate).subjectAltName]).toEqual([200, 'URI:fso://cluster/eu']);
    (await enrolment.joinHub({ ...agent, cert: issued.certificate, key })).close();
  });

  it('does not use up the renewals of the agent when it has expired or is an older copy', async () => {
    await enrolment.start({ identityLimits: { renewalBurst: 2 } });
    const superseded = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const older = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const { csr, key } = await makeRequest();
    const renewWith = (agent: EnrolledAgent) => askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr });
    const current = { ...older, cert: IssuedIdentity.parse(JSON.parse((await renewWith(older)).body)).certificate, key };
    const statuses: number[] = [];
    for (const agent of [superseded, superseded, superseded, older, older]) statuses.push((await renewWith(agent)).status);
    expect(statuses).toEqual([403, 403, 429, 200, 429]);
    expect((await renewWith(current)).status).toBe(200);
    const ofAgents = async () =>
      (await enrolment.hub.ledger.audit.after(0, 100))
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
    await enrolment.start({ identityLimits: { certificateMs: 304_000 } });
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const stream = await enrolment.joinHub(agent);
    expect(await stream.closed).toMatchObject({ code: CLOSE_CODES.unauthorized, reason: expect.stringContaining('expired') });
    expect(Date.now()).toBeGreaterThanOrEqual(agent.expires.getTime());
    await expect(connectStream(enrolment.hub.agentUrl, '', 'eu', agent)).rejects.toThrow('HTTP 401');
    const { csr, key } = await makeRequest();
    const { status, body } = await askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr });
    expect(status).toBe(200);
    const fresh = { ...agent, cert: IssuedIdentity.parse(JSON.parse(body)).certificate, key };
    (await enrolment.joinHub(fresh)).close();
    // A copy of the old key is invalid once the new certificate was shown.
    const copy = await askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr });
    expect([copy.status, copy.body]).toEqual([403, expect.stringContaining('superseded')]);
  });

  it('is renewed after its expiry no more often than its cluster may, with any number of old certificates', async () => {
    // No time for the limits, which are 2 for a certificate and 12 for a cluster. Certificates are
    // good for 10 s.
    const clock = { ...systemClock, monotonicMs: () => 0 };
    await enrolment.start({ clock, identityLimits: { certificateMs: 310_000, renewalBurst: 2 } });
    const { csr, key } = await makeRequest();
    const renewWith = (agent: EnrolledAgent) => askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr });
    let agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
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

  it('opens no stream before its validity begins, and is renewed then only if it is the last', async () => {
    await enrolment.start();
    await enrolment.hub.stop();
    // Within the hour by which the CA and the certificate of the listener are backdated.
    const ahead = { ...systemClock, now: () => new Date(Date.now() + 1_800_000) };
    await enrolment.start({ clock: ahead });
    const copy = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const renewed = async (agent: EnrolledAgent): Promise<EnrolledAgent> => {
      const { csr, key } = await makeRequest();
      const { status, body } = await askHub(enrolment.hub, `POST ${RENEW_PATH}`, agent, { csr });
      if (status !== 200) throw new Error(`${status} ${body}`);
      return { ...agent, cert: IssuedIdentity.parse(JSON.parse(body)).certificate, key };
    };
    const early = await renewed(copy);
    await enrolment.hub.stop();
    await enrolment.start();
    await expect(connectStream(enrolment.hub.agentUrl, '', 'eu', early)).rejects.toThrow('HTTP 401');
    const next = await renewed(early);
    (await enrolment.joinHub(next)).close();
    for (const old of [copy, early]) await expect(renewed(old)).rejects.toThrow('superseded');
  });

  it('is replaced at the listener while streams stay open', async () => {
    // A third of its life is left when it is replaced: a busy machine then shows no expired one.
    await enrolment.start({ identityLimits: { serverCertificateMs: 15_000 } });
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const stream = await enrolment.joinHub(agent);
    const shown = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { hostname: host, port } = new URL(enrolment.hub.agentUrl);
        const socket = connectTls({ host, port: Number(port), ca: enrolment.ca }, () => {
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

/**
 * Asks for the stream over a TLS connection that may resume an earlier one. @returns status,
 * whether it was resumed, and the next ticket
 */
const upgradeOver = (agent: EnrolledAgent, maxVersion: 'TLSv1.2' | 'TLSv1.3', session?: Buffer) =>
  new Promise<{ status: string; resumed: boolean; ticket: Buffer | undefined }>((resolve, reject) => {
    const { hostname: host, port } = new URL(enrolment.hub.agentUrl);
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
    await enrolment.start();
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const first = await upgradeOver(agent, version);
    expect([first.status, first.resumed]).toEqual(['101', false]);
    expect(await upgradeOver(agent, version, first.ticket)).toMatchObject({ status: '101', resumed: true });
    await enrolment.hub.identity?.revoke('eu');
    expect(await upgradeOver(agent, version, first.ticket)).toMatchObject({ status: '403', resumed: true });
  });

  it('does not outlive the certificate', async () => {
    await enrolment.start({ identityLimits: { certificateMs: 304_000 } });
    const agent = await enrolAgent(enrolment.hub, 'eu', enrolment.ca);
    const first = await upgradeOver(agent, version);
    await waitFor(() => expect(Date.now()).toBeGreaterThan(agent.expires.getTime()));
    expect(await upgradeOver(agent, version, first.ticket)).toMatchObject({ status: '401', resumed: true });
  });
});
