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

/** `fso_<id>_<secret>`; the prefix lets scanners of repositories find one that leaked. */
const TOKEN = /^fso_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** Whether a bearer token looks like an API token; it may be unknown or revoked. */
export const isApiToken = (text: string): boolean => text.startsWith('fso_');

/** Name, life in days and rights of an API token to be made. */
export interface NewToken extends RoleGrant {
  readonly name: string;
  readonly expiresInDays: number;
}

/** An API token as it is kept: without its secret. */
export const TokenRecord = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  clusters: ClusterScope.optional(),
  policies: PolicyScopeSelector.optional(),
  /** SHA-256 of the secret, in hexadecimal. */
  hash: z.string(),
  createdBy: z.string(),
  /** Stable id of the creator; absent in records of older versions. */
  createdById: z.string().optional(),
  /** RFC 3339, as all times here. */
  createdAt: z.string(),
  expiresAt: z.string(),
  lastUsedAt: z.string().nullable(),
});
export type TokenRecord = Readonly<z.infer<typeof TokenRecord>>;

/** Kind of the records of API tokens. */
const TOKEN_KIND = 'api-token';
/**
 * Kind of the records of tokens with a scope. A hub of an older version, which would take them for
 * tokens without one, does not know this kind.
 */
const SCOPED_TOKEN_KIND = 'scoped-api-token';
const KINDS = [TOKEN_KIND, SCOPED_TOKEN_KIND];

const kindOf = (record: TokenRecord): string => (isUnscoped(record) ? TOKEN_KIND : SCOPED_TOKEN_KIND);

/**
 * Creates the store of API tokens.
 *
 * @returns API tokens, hashed, in the ledger: every hub on it knows them
 */
export const createTokenStore = (records: KeyedStore) => ({
  list: async (): Promise<readonly TokenRecord[]> => KINDS.flatMap((kind) => records.list(kind)).map((value) => TokenRecord.parse(value)),
  find: async (id: string): Promise<TokenRecord | undefined> => {
    const value = KINDS.map((kind) => records.get(kind, id)).find((found) => found !== undefined);
    return value === undefined ? undefined : TokenRecord.parse(value);
  },
  add: async (record: TokenRecord): Promise<void> => void (await records.update(kindOf(record), record.id, () => record)),
  /** @returns whether it was there */
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

/** Store of API tokens. A resolved write is durable. */
export type TokenStore = ReturnType<typeof createTokenStore>;

/** Refusal to make a token. The message is for people. */
export class TokenRefused extends Error {}

const KEY = 'token:';
/** Key by which revocations name an API token. @param id its public id */
export const tokenKey = (id: string): string => KEY + id;

const viewOf = ({ hash: _hash, ...view }: TokenRecord): TokenView => view;

/** Absent fields stay absent. */
const scopeOf = ({ clusters, policies }: Pick<RoleGrant, 'clusters' | 'policies'>): Pick<RoleGrant, 'clusters' | 'policies'> => ({
  ...(clusters && { clusters }),
  ...(policies && { policies }),
});

/** Makes the store of API tokens, which keeps only hashes of their secrets. */
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

  /**
   * A thousand calls within a minute are one write; a call neither waits for it nor fails with it.
   */
  const noteUse = ({ id, lastUsedAt }: TokenRecord): void => {
    const last = noted.get(id) ?? (lastUsedAt === null ? -Infinity : Date.parse(lastUsedAt));
    if (now() - last < USE_RECORDED_EVERY_MS) return;
    noted.set(id, now());
    dropOldest(noted, MAX_TOKENS);
    store.used(id, clock.now().toISOString()).catch((err: unknown) => logger.warn({ err }, 'use of a token could not be recorded'));
  };

  return {
    /**
     * @returns the token itself, which is nowhere kept
     * @throws TokenRefused for a role above the creator's own, or when there are too many
     */
    create: async ({ name, role, expiresInDays, ...scope }: NewToken, creator: Principal): Promise<{ token: string; view: TokenView }> => {
      const own = roleEverywhere(creator.grants);
      if (!covers(own, role))
        throw new TokenRefused(`You are ${own ?? 'without a role for everything'}: you cannot give the role ${role}.`);
      const kept = await store.list();
      // Those that ended are shown for as long as there is room.
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
    /** Revokes a token at once, also for calls under way. @returns the revoked token */
    revoke: async (id: string): Promise<TokenView | undefined> => {
      const record = await store.find(id);
      if (record === undefined || !(await store.remove(id))) return undefined;
      revocations.publish(tokenKey(id));
      return viewOf(record);
    },
    /** Whether the token that a key names would be taken now. */
    holds: async (key: string): Promise<boolean> => key.startsWith(KEY) && isCurrent(await store.find(key.slice(KEY.length))),
    /** @returns undefined for a token that is unknown, revoked or expired */
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

/** API tokens: makes, verifies, lists and revokes them. */
export type Tokens = ReturnType<typeof createTokens>;
