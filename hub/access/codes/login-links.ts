import type { Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import { type KeyedStore, LOGIN_LINK_KIND } from '../../ledger/index.ts';
import type { Grant, Principal } from '../principal.ts';
import { hashSecret, newSecret } from '../secrets.ts';
import { StoredPrincipal, toStoredPrincipal } from '../session-store.ts';

/** Time for which a login link is good, in ms. */
export const LINK_MS = 600_000;
/** Links that wait to be used, of one credential and of all. */
const MAX_LINKS = { ofOne: 10, ofAll: 100 };
/** Name of the one record for all links: what is removed from the store leaves its name behind. */
const RECORD = 'links';

/** A link as it is kept: without its code. */
const LinkRecord = z.object({
  /** SHA-256 of the code, in hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  principal: StoredPrincipal,
  /** Key of the credential that it was made with. */
  source: z.string().max(100),
  /** Milliseconds since 1970, as `endsAt`. */
  until: z.int(),
  /** End of the credential; null: it has none. */
  endsAt: z.int().nullable(),
});
type LinkRecord = Readonly<z.infer<typeof LinkRecord>>;

/** Login that a link gives: a session of its maker, which ends with the maker's credential. */
export interface LinkedLogin {
  readonly principal: Principal;
  readonly source: string;
  /** Milliseconds since 1970. */
  readonly endsAt: number | undefined;
}

/** Makes and uses up one-time links that sign a browser in. */
export interface LoginLinks {
  /** @returns the code of a new link, which is nowhere kept, and until when it is good */
  make(grant: Grant): Promise<{ code: string; until: number }>;
  /**
   * Uses a link up, for all hubs that share the store.
   *
   * @returns undefined for a code that is unknown, used or too old, or whose credential has ended
   */
  redeem(code: string): Promise<LinkedLogin | undefined>;
}

class UnknownLink extends Error {}

/** Reads the links of the record, without those that another version wrote in another form. */
const parse = (value: unknown): readonly LinkRecord[] =>
  Array.isArray(value) ? value.flatMap((one) => LinkRecord.safeParse(one).data ?? []) : [];

/**
 * Adds a link. Where there are too many, the oldest goes of the credential that has most of them:
 * no credential can push out the link of one that has fewer.
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
 * Creates and redeems one-time links into the dashboard, hashed in the ledger: any hub on it
 * redeems what another one made.
 *
 * @param holds whether a credential would be taken now, by its key
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
        // Thrown, so that the database is asked: another hub may have made it just now.
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
