import { ClusterScope, isUnscoped, PolicyScopeSelector, Role, type RoleGrant, type TokenView } from '@fso/shared/api';
import { type Clock, dropOldest, type Logger } from '@fso/shared/runtime';
import { z } from 'zod';
import type { KeyedStore } from '../ledger/index.ts';
import { type Grant, type Principal, principalOf, type Revocations } from './principal.ts';
import { covers, roleEverywhere } from './roles.ts';
import { hashSecret, newId, newSecret, sameSecret } from './secrets.ts';

const DAY_MS = 86_400_000;
const USE_RECORDED_EVERY_MS = 60_000;
const MAX_TOKENS = 1000;

/** Format `fso_<id>_<secret>`. The prefix lets secret scanners find leaked tokens. */
const TOKEN = /^fso_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** Whether a bearer token looks like an API token. It may be unknown or revoked. */
export const isApiToken = (text: string): boolean => text.startsWith('fso_');

/** Name, lifetime in days, and rights of a new API token. */
export interface NewToken extends RoleGrant {
  readonly name: string;
  readonly expiresInDays: number;
}

/** Stored API token, without its secret. */
export const TokenRecord = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  clusters: ClusterScope.optional(),
  policies: PolicyScopeSelector.optional(),
  /** SHA-256 of the secret, in hexadecimal. */
  hash: z.string(),
  createdBy: z.string(),
  /** Stable id of the creator; undefined in records of older versions. */
  createdById: z.string().optional(),
  /** Time of the creation, RFC 3339, as all times here. */
  createdAt: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
});
export type TokenRecord = Readonly<z.infer<typeof TokenRecord>>;

/** Kind of the records of API tokens. */
const TOKEN_KIND = 'api-token';
/**
 * Kind of the records of scoped tokens. Older hubs do not know this kind; they would take such
 * tokens for unscoped ones.
 */
const SCOPED_TOKEN_KIND = 'scoped-api-token';
const KINDS = [TOKEN_KIND, SCOPED_TOKEN_KIND];

const kindOf = (record: TokenRecord): string => (isUnscoped(record) ? TOKEN_KIND : SCOPED_TOKEN_KIND);

/** Creates the store of API tokens in the ledger, shared by all hubs. Secrets are hashed. */
export const createTokenStore = (records: KeyedStore) => ({
  list: async (): Promise<readonly TokenRecord[]> => KINDS.flatMap((kind) => records.list(kind)).map((value) => TokenRecord.parse(value)),
  find: async (id: string): Promise<TokenRecord | undefined> => {
    const value = KINDS.map((kind) => records.get(kind, id)).find((found) => found !== undefined);
    return value === undefined ? undefined : TokenRecord.parse(value);
  },
  add: async (record: TokenRecord): Promise<void> => void (await records.update(kindOf(record), record.id, () => record)),
  /** @returns whether the token existed */
  remove: async (id: string): Promise<boolean> => {
    let existed = false;
    for (const kind of KINDS) {
      await records.update(kind, id, (before) => {
        existed ||= before !== undefined;
        return undefined;
      });
    }
    return existed;
  },
  /** Records a use. Only this write may be late or lost. */
  used: async (id: string, time: string): Promise<void> => {
    for (const kind of KINDS) {
      await records.update(kind, id, (before) => (before === undefined ? undefined : { ...TokenRecord.parse(before), lastUsedAt: time }));
    }
  },
});

/** Store of API tokens. Writes are durable when they resolve. */
export type TokenStore = ReturnType<typeof createTokenStore>;

/** Thrown if a token may not be created. The message is for people. */
export class TokenRefused extends Error {}

const KEY = 'token:';
/** Key that names an API token in revocations. @param id its public id */
export const tokenKey = (id: string): string => KEY + id;

const viewOf = ({ hash: _hash, ...view }: TokenRecord): TokenView => view;

/** Leaves out undefined fields. */
const scopeOf = ({ clusters, policies }: Pick<RoleGrant, 'clusters' | 'policies'>): Pick<RoleGrant, 'clusters' | 'policies'> => ({
  ...(clusters && { clusters }),
  ...(policies && { policies }),
});

/** Creates the management of API tokens. Only hashes of their secrets are stored. */
export const createTokens = (store: TokenStore, deps: { clock: Clock; revocations: Revocations; logger: Logger }) => {
  const { clock, revocations, logger } = deps;
  const noted = new Map<string, number>();
  const now = (): number => clock.now().getTime();
  const isCurrent = (record: TokenRecord | undefined): record is TokenRecord =>
    record !== undefined && Date.parse(record.expiresAt) > now();

  const grantOf = (record: TokenRecord): Grant => ({
    principal: principalOf({ kind: 'token', id: record.id, name: record.name }, [{ role: record.role, ...scopeOf(record) }]),
    key: tokenKey(record.id),
    byCookie: false,
    expiresAt: Date.parse(record.expiresAt),
    stillHolds: async () => isCurrent(await store.find(record.id)),
  });

  /** Records a use at most once a minute. A call neither waits for the write nor fails with it. */
  const noteUse = ({ id, lastUsedAt }: TokenRecord): void => {
    const last = noted.get(id) ?? (lastUsedAt === null ? -Infinity : Date.parse(lastUsedAt));
    if (now() - last < USE_RECORDED_EVERY_MS) return;
    noted.set(id, now());
    dropOldest(noted, MAX_TOKENS);
    store.used(id, clock.now().toISOString()).catch((err: unknown) => logger.warn({ err }, 'use of a token could not be recorded'));
  };

  return {
    /**
     * Creates a token.
     *
     * @returns the token itself, which is stored nowhere
     * @throws TokenRefused if its role exceeds the creator's, or there are too many tokens
     */
    create: async ({ name, role, expiresInDays, ...scope }: NewToken, creator: Principal): Promise<{ token: string; view: TokenView }> => {
      const own = roleEverywhere(creator.grants);
      if (!covers(own, role))
        throw new TokenRefused(`You are ${own ?? 'without a role for everything'}: you cannot give the role ${role}.`);
      const kept = await store.list();
      // Expired tokens are listed as long as there is room.
      for (const { id } of kept.filter((record) => kept.length >= MAX_TOKENS && !isCurrent(record))) await store.remove(id);
      if ((await store.list()).length >= MAX_TOKENS) throw new TokenRefused(`There are ${MAX_TOKENS} tokens: revoke some first.`);
      const [id, secret, created] = [newId(), newSecret(), now()];
      const record: TokenRecord = {
        id,
        name,
        role,
        ...scopeOf(scope),
        hash: hashSecret(secret),
        createdBy: creator.name,
        createdById: creator.id,
        createdAt: new Date(created).toISOString(),
        expiresAt: new Date(created + expiresInDays * DAY_MS).toISOString(),
        lastUsedAt: null,
      };
      await store.add(record);
      return { token: `fso_${id}_${secret}`, view: viewOf(record) };
    },
    list: async (): Promise<readonly TokenView[]> => (await store.list()).map(viewOf),
    /** Revokes a token at once, including calls in progress. @returns the revoked token */
    revoke: async (id: string): Promise<TokenView | undefined> => {
      const record = await store.find(id);
      if (record === undefined || !(await store.remove(id))) return undefined;
      revocations.publish(tokenKey(id));
      return viewOf(record);
    },
    /** Whether the token with this key is currently valid. */
    holds: async (key: string): Promise<boolean> => key.startsWith(KEY) && isCurrent(await store.find(key.slice(KEY.length))),
    /** @returns undefined if the token is unknown, revoked or expired */
    check: async (token: string): Promise<Grant | undefined> => {
      const [, id, secret] = TOKEN.exec(token) ?? [];
      if (id === undefined || secret === undefined) return undefined;
      const record = await store.find(id);
      // An unknown id takes as long as a wrong secret.
      const matches = sameSecret(hashSecret(secret), record?.hash ?? '');
      if (!matches || !isCurrent(record)) return undefined;
      noteUse(record);
      return grantOf(record);
    },
  };
};

/** API tokens: created, verified, listed and revoked. */
export type Tokens = ReturnType<typeof createTokens>;
