import type { Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import { type KeyedStore, LOGIN_LINK_KIND } from '../../ledger/index.ts';
import type { Grant, Principal } from '../principal.ts';
import { hashSecret, newSecret } from '../secrets.ts';
import { StoredPrincipal, toStoredPrincipal } from '../session-store.ts';

/** Validity of a login link, in milliseconds. */
export const LINK_MS = 600_000;
/** Maximum number of unused links, per credential and in total. */
const MAX_LINKS = { ofOne: 10, ofAll: 100 };
/**
 * Name of the only record for links. The store keeps the names of removed records, so links have no
 * records of their own.
 */
const RECORD = 'links';

/** Stored link, without its code. */
const LinkRecord = z.object({
  /** SHA-256 of the code, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  principal: StoredPrincipal,
  /** Key of the credential with which it was created. */
  source: z.string().max(100),
  /** Expiry in milliseconds since 1970, as `endsAt`. */
  until: z.int(),
  /** Expiry of the credential; null: none. */
  endsAt: z.int().nullable(),
});
type LinkRecord = Readonly<z.infer<typeof LinkRecord>>;

/** Login by a link: a session of the token that created it, which ends with that token. */
export interface LinkedLogin {
  readonly principal: Principal;
  readonly source: string;
  /** Milliseconds since 1970; undefined: the credential does not expire. */
  readonly endsAt: number | undefined;
}

/** Links that sign a browser in once. */
export interface LoginLinks {
  /** Creates a link. @returns its code, which is stored nowhere, and its expiry */
  make(grant: Grant): Promise<{ code: string; until: number }>;
  /**
   * Uses up a link, for all hubs that share the store.
   *
   * @returns undefined if the code is unknown, used or too old, or its credential has ended
   */
  redeem(code: string): Promise<LinkedLogin | undefined>;
}

class UnknownLink extends Error {}

/** Parses the links of the record. Links in the format of another version are left out. */
const parse = (value: unknown): readonly LinkRecord[] =>
  Array.isArray(value) ? value.flatMap((one) => LinkRecord.safeParse(one).data ?? []) : [];

/**
 * Adds a link. If there are too many, drops the oldest link of the credential with the most links,
 * so that no credential can displace links of one with fewer.
 */
const add = (links: readonly LinkRecord[], link: LinkRecord): readonly LinkRecord[] => {
  const all = [...links, link];
  const counts = new Map<string, number>();
  for (const { source } of all) counts.set(source, (counts.get(source) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const hasTooMany = (counts.get(link.source) ?? 0) > MAX_LINKS.ofOne;
  if (!hasTooMany && all.length <= MAX_LINKS.ofAll) return all;
  const oldest = all.findIndex(({ source }) => (hasTooMany ? source === link.source : counts.get(source) === most));
  return all.toSpliced(oldest, 1);
};

const stored = (links: readonly LinkRecord[]): unknown =>
  links.length === 0 ? undefined : links.map((link) => ({ ...link, principal: toStoredPrincipal(link.principal) }));

/**
 * Creates and redeems one-time links into the dashboard. Their hashes are in the ledger, so any hub
 * on it can redeem them.
 *
 * @param holds whether the credential with this key is currently valid
 */
export const createLoginLinks = (records: KeyedStore, clock: Clock, holds: (source: string) => Promise<boolean>): LoginLinks => {
  const now = (): number => clock.now().getTime();
  const openIn = (value: unknown): readonly LinkRecord[] => parse(value).filter(({ until }) => now() < until);

  return {
    make: async ({ principal, key, expiresAt }) => {
      const code = newSecret();
      const until = Math.min(now() + LINK_MS, expiresAt ?? Infinity);
      const link = { hash: hashSecret(code), principal, source: key, until, endsAt: expiresAt };
      await records.update(LOGIN_LINK_KIND, RECORD, (before) => stored(add(openIn(before), link)));
      return { code, until };
    },
    redeem: async (code) => {
      const hash = hashSecret(code);
      let found: LinkRecord | undefined;
      const use = (before: unknown): unknown => {
        const links = openIn(before);
        found = links.find((link) => link.hash === hash);
        // Thrown, so that the database is asked: another hub may have created the link just now.
        if (found === undefined) throw new UnknownLink();
        return stored(links.filter((link) => link !== found));
      };
      try {
        await records.update(LOGIN_LINK_KIND, RECORD, use);
      } catch (error) {
        if (error instanceof UnknownLink) return undefined;
        throw error;
      }
      if (found === undefined || !(await holds(found.source))) return undefined;
      const { principal, source, endsAt } = found;
      return { principal, source, endsAt: endsAt ?? undefined };
    },
  };
};
