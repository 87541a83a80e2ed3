import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { CA_PATH, ENROL_PATH, IssuedIdentity } from '@fso/shared/protocol';
import type { RunningHub } from '../../hub/hub.ts';
import { makeRequest } from '../../hub/identity/testing/identity.ts';
import type { TlsPart } from './stream-client.ts';

/** Credential of a client for the agents' listener. */
export interface Credential extends TlsPart {
  /** Static token. */
  readonly token?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/**
 * Sends a request to the agents' listener of a hub, over TLS that is verified with `credential.ca`.
 *
 * @param target method and path
 */
export const askHub = (hub: Pick<RunningHub, 'agentUrl'>, target: string, credential: Credential, body?: unknown): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const [method = '', path = ''] = target.split(' ');
    const url = new URL(path, hub.agentUrl.replace(/^ws/, 'http'));
    const { token, ...tls } = credential;
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const sent = request(url, { method, headers, agent: false, ...tls }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body));
  });

/** Reads the CA of a hub from its data folder. */
export const caOf = (dataDir: string): string => readFileSync(join(dataDir, 'identity', 'ca.crt'), 'utf8');

export interface EnrolledAgent extends Credential {
  readonly cluster: string;
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly expires: Date;
}

/** @throws Error with the response if the hub refuses */
export const useToken = async (hub: Pick<RunningHub, 'agentUrl'>, token: string, ca: string): Promise<EnrolledAgent> => {
  const { csr, key } = await makeRequest();
  const { status, body } = await askHub(hub, `POST ${ENROL_PATH}`, { ca }, { token, csr });
  if (status !== 200) throw new Error(`HTTP ${status}: ${body}`);
  const { cluster, certificate, ca: bundle } = IssuedIdentity.parse(JSON.parse(body));
  return { cluster, cert: certificate, key, ca: bundle, expires: new X509Certificate(certificate).validToDate };
};

export const issueToken = async (hub: RunningHub, cluster: string, ttlMs = 60_000): Promise<string> => {
  if (hub.identity === undefined) throw new Error('agents do not enrol at this hub');
  return (await hub.identity.issueToken(cluster, ttlMs)).token;
};

export const enrolAgent = async (hub: RunningHub, cluster: string, ca: string): Promise<EnrolledAgent> =>
  useToken(hub, await issueToken(hub, cluster), ca);

export const readCaOfHub = (hub: RunningHub, ca: string): Promise<Answer> => askHub(hub, `GET ${CA_PATH}`, { ca });
