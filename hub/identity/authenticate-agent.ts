import type { Clock } from '@fso/shared/runtime';
import { createAuthenticate, type Denial, type Gate, type Proof } from '../delivery/index.ts';
import type { Authority } from './authority.ts';
import type { Peer } from './enrolment-state.ts';
import type { Identity } from './identity.ts';
import { readPeer } from './peer.ts';
import { Refusal, type RefusalCode } from './refusal.ts';
import { isTls } from './server-certificate.ts';

const STATUS: Readonly<Partial<Record<RefusalCode, Denial['status']>>> = { 'not-authorized': 401, unavailable: 503 };

/** @throws what is no refusal */
const denial = (error: unknown): Denial => {
  if (!(error instanceof Refusal)) throw error;
  return { status: STATUS[error.code] ?? 403, reason: error.message };
};

/**
 * The certificate of the connection says who it is; where it shows none, a static token may. A cluster that has enrolled once is known by its
 * certificate alone: an old token must not outlive its revocation.
 */
export const identityGate = (deps: {
  identity: Identity;
  authority: Authority;
  clock: Clock;
  tokens: ReadonlyMap<string, string>;
}): Gate => {
  const { identity, authority, clock, tokens } = deps;
  const authenticate = createAuthenticate(tokens);

  const byCertificate = async (peer: Peer): Promise<Proof> => {
    await identity.admit(peer);
    const recheck = (): Promise<Denial | undefined> => identity.recheck(peer).then(() => undefined, denial);
    return { cluster: peer.cluster, expires: peer.expires, recheck };
  };
  const tokenDenied = async (cluster: string): Promise<Denial | undefined> => {
    const record = await identity.get(cluster);
    if (record === undefined || record.state === 'invited') return undefined;
    return {
      status: 403,
      reason: `${cluster} ${record.state === 'enrolled' ? 'has enrolled: it is known by its certificate' : 'was revoked'}`,
    };
  };
  const byToken = async (authorization: string | undefined): Promise<Proof | Denial> => {
    const cluster = authenticate(authorization);
    if (cluster === undefined) return { status: 401, reason: 'show a certificate of this hub, or a token that it knows' };
    return (await tokenDenied(cluster)) ?? { cluster, expires: undefined, recheck: () => tokenDenied(cluster) };
  };

  return async ({ socket, headers }) => {
    try {
      const peer = isTls(socket) ? readPeer(socket, authority, clock.now()) : undefined;
      return peer === undefined ? await byToken(headers.authorization) : await byCertificate(peer);
    } catch (error) {
      return denial(error);
    }
  };
};
