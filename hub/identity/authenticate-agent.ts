import type { IncomingMessage } from 'node:http';
import { ResourceName } from '@fso/shared/api';
import { sha256 } from '@fso/shared/encoding';
import type { Clock } from '@fso/shared/runtime';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Authority } from './authority.ts';
import type { CertifiedCluster } from './enrolment-state.ts';
import type { Identity } from './identity.ts';
import { readPeer } from './peer.ts';
import { Refusal, type RefusalCode } from './refusal.ts';
import { isTls } from './server-certificate.ts';

/** Reason why the hub denies a connection, for the agent's log. */
export interface Denial {
  /**
   * 401: the agent proves no cluster. 403: it proves one that is not admitted. 503: the hub cannot
   * decide now.
   */
  readonly status: 401 | 403 | 503;
  readonly reason: string;
}

/**
 * Cluster that a connection has proven to be. Everything that comes over it counts as this
 * cluster's, and nothing else does.
 */
export interface Proof {
  readonly cluster: string;
  /** Time at which the proof expires; undefined: never. */
  readonly expires: Date | undefined;
  /** @returns why the proof no longer holds; undefined while it does */
  recheck(): Promise<Denial | undefined>;
}

/** Judges a connection by its certificate or header, before the hub reads anything from it. */
export type AuthenticateAgent = (request: IncomingMessage) => Promise<Proof | Denial>;

const MIN_TOKEN_LENGTH = 16;
const Tokens = z.record(ResourceName, z.string().min(MIN_TOKEN_LENGTH, `must have at least ${MIN_TOKEN_LENGTH} characters`).max(512));

/**
 * Reads a tokens file, YAML or JSON: `{<cluster>: <token>}`.
 *
 * @throws Error that describes the problem, without any token
 */
export const parseTokens = (text: string): ReadonlyMap<string, string> => {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch {
    // The parser's message quotes the line, and with it a token.
    throw new Error('the agent tokens file is not valid YAML or JSON');
  }
  const parsed = Tokens.safeParse(value);
  if (!parsed.success) {
    const reasons = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`);
    throw new Error(`the agent tokens file is wrong: ${reasons.join('; ')}`);
  }
  const tokens = new Map(Object.entries(parsed.data));
  if (new Set(tokens.values()).size !== tokens.size) throw new Error('the agent tokens file gives two clusters the same token');
  return tokens;
};

/**
 * Finds the cluster of a static token.
 *
 * @returns the cluster that an Authorization header proves; undefined: none
 */
export type FindTokenOwner = (authorization: string | undefined) => string | undefined;

/**
 * Finds the owners of static tokens by their digests. The time of a lookup may reveal a digest, but
 * no token. It does not grow with the number of tokens.
 */
export const createTokenLookup = (tokens: ReadonlyMap<string, string>): FindTokenOwner => {
  const owners = new Map([...tokens].map(([cluster, token]) => [sha256(token), cluster]));
  return (authorization) => {
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1];
    return token === undefined ? undefined : owners.get(sha256(token));
  };
};

/**
 * Authenticates agents by static tokens alone.
 *
 * @param tokens by cluster
 */
export const authenticateByToken = (tokens: ReadonlyMap<string, string>): AuthenticateAgent => {
  const findOwner = createTokenLookup(tokens);
  return async ({ headers }) => {
    const cluster = findOwner(headers.authorization);
    if (cluster === undefined) return { status: 401, reason: 'the token is not one of this hub' };
    return { cluster, expires: undefined, recheck: async () => undefined };
  };
};

const STATUS: Readonly<Partial<Record<RefusalCode, Denial['status']>>> = { 'not-authorized': 401, unavailable: 503 };

/** @throws the error where it is no refusal */
const toDenial = (error: unknown): Denial => {
  if (!(error instanceof Refusal)) throw error;
  return { status: STATUS[error.code] ?? 403, reason: error.message };
};

/**
 * Authenticates agents by the certificate of the connection; where it shows none, by a static
 * token. A cluster that has enrolled once proves itself by its certificate alone: an old token must
 * not outlive the revocation.
 */
export const authenticateByIdentity = (deps: {
  identity: Identity;
  authority: Authority;
  clock: Clock;
  tokens: ReadonlyMap<string, string>;
}): AuthenticateAgent => {
  const { identity, authority, clock, tokens } = deps;
  const findOwner = createTokenLookup(tokens);

  const byCertificate = async (peer: CertifiedCluster): Promise<Proof> => {
    await identity.admit(peer);
    const recheck = (): Promise<Denial | undefined> => identity.recheck(peer).then(() => undefined, toDenial);
    return { cluster: peer.cluster, expires: peer.expires, recheck };
  };
  const denyToken = async (cluster: string): Promise<Denial | undefined> => {
    const record = await identity.get(cluster);
    if (record === undefined || record.state === 'invited') return undefined;
    return {
      status: 403,
      reason: `${cluster} ${record.state === 'enrolled' ? 'has enrolled: it is known by its certificate' : 'was revoked'}`,
    };
  };
  const byToken = async (authorization: string | undefined): Promise<Proof | Denial> => {
    const cluster = findOwner(authorization);
    if (cluster === undefined) return { status: 401, reason: 'show a certificate of this hub, or a token that it knows' };
    return (await denyToken(cluster)) ?? { cluster, expires: undefined, recheck: () => denyToken(cluster) };
  };

  return async ({ socket, headers }) => {
    try {
      const peer = isTls(socket) ? readPeer(socket, authority, clock.now()) : undefined;
      return peer === undefined ? await byToken(headers.authorization) : await byCertificate(peer);
    } catch (error) {
      return toDenial(error);
    }
  };
};
