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
   * Status: 401 if no cluster is proven, 403 if the proven cluster is not admitted, 503 if the hub
   * cannot decide now.
   */
  readonly status: 401 | 403 | 503;
  readonly reason: string;
}

/**
 * Cluster that a connection has proven to be. Everything received on it is attributed to this
 * cluster.
 */
export interface Proof {
  readonly cluster: string;
  /** Time at which the proof expires; undefined: never. */
  readonly expires: Date | undefined;
  /** Checks the proof again. @returns the reason why it no longer holds; undefined while it does */
  recheck(): Promise<Denial | undefined>;
}

/**
 * Authenticates a connection by its certificate or header, before the hub reads anything from it.
 */
export type AuthenticateAgent = (request: IncomingMessage) => Promise<Proof | Denial>;

const MIN_TOKEN_LENGTH = 16;
const Tokens = z.record(ResourceName, z.string().min(MIN_TOKEN_LENGTH, `must have at least ${MIN_TOKEN_LENGTH} characters`).max(512));

/**
 * Parses a tokens file, YAML or JSON: `{<cluster>: <token>}`.
 *
 * @throws Error that describes the problem, without any token
 */
export const parseTokens = (text: string): ReadonlyMap<string, string> => {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch {
    // The parser's message would quote the line, including a token.
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

/** Finds the cluster of the static token in an Authorization header; undefined: none. */
export type FindTokenOwner = (authorization: string | undefined) => string | undefined;

/**
 * Creates a lookup of static tokens by their digests. Its timing may reveal a digest, but no token,
 * and does not depend on the number of tokens.
 */
export const createTokenLookup = (tokens: ReadonlyMap<string, string>): FindTokenOwner => {
  const owners = new Map([...tokens].map(([cluster, token]) => [sha256(token), cluster]));
  return (authorization) => {
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1];
    return token === undefined ? undefined : owners.get(sha256(token));
  };
};

/** Authenticates agents by static tokens only. @param tokens by cluster */
export const authenticateByToken = (tokens: ReadonlyMap<string, string>): AuthenticateAgent => {
  const findOwner = createTokenLookup(tokens);
  return async ({ headers }) => {
    const cluster = findOwner(headers.authorization);
    if (cluster === undefined) return { status: 401, reason: 'the token is not one of this hub' };
    return { cluster, expires: undefined, recheck: async () => undefined };
  };
};

const STATUS: Readonly<Partial<Record<RefusalCode, Denial['status']>>> = { 'not-authorized': 401, unavailable: 503 };

/** Converts a refusal to a denial. @throws the error if it is not a refusal */
const toDenial = (error: unknown): Denial => {
  if (!(error instanceof Refusal)) throw error;
  return { status: STATUS[error.code] ?? 403, reason: error.message };
};

/**
 * Authenticates agents by their certificate or, without one, by a static token. A cluster that has
 * enrolled is accepted only by its certificate: an old token must not outlive a revocation.
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
      reason: `${cluster} ${record.state === 'enrolled' ? 'has enrolled: it must use its certificate' : 'was revoked'}`,
    };
  };
  const byToken = async (authorization: string | undefined): Promise<Proof | Denial> => {
    const cluster = findOwner(authorization);
    if (cluster === undefined) return { status: 401, reason: 'show a certificate that this hub issued, or a token that it knows' };
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
