import type { Clock } from '@fso/shared/runtime';
import { dropOldest } from '../drop-oldest.ts';
import { hashSecret, newSecret } from './secrets.ts';
import type { Ended, Grant, Principal } from './types.ts';

export interface SessionLimits {
  /** A session that nobody used for so long ends. */
  readonly idleMs: number;
  /** However much it is used. */
  readonly absoluteMs: number;
  /** Sessions kept; the one unused for longest goes first. */
  readonly max: number;
}

const HOUR_MS = 3_600_000;
export const SESSION_LIMITS: SessionLimits = { idleMs: 8 * HOUR_MS, absoluteMs: 24 * HOUR_MS, max: 10_000 };

/** What a session was traded for: it ends with that. */
type Source = Pick<Grant, 'key' | 'stillHolds'>;

interface Session {
  readonly principal: Principal;
  readonly byCookie: boolean;
  readonly endsAt: number;
  readonly source: Source | undefined;
  usedAt: number;
}

export interface Sessions {
  /**
   * @param options.endsAt milliseconds since 1970; where it is to end before the limit
   * @param options.source what it was traded for; the session holds no longer than that
   * @returns its id, a secret that only its owner gets
   */
  begin(principal: Principal, options: { byCookie: boolean; endsAt?: number; source?: Source }): string;
  /** Counts as use. A session that began for a cookie is not one as a bearer token, nor the other way round. */
  check(id: string, options: { byCookie: boolean }): Grant | undefined;
  /** In force at once, also for what is under way. */
  end(id: string): void;
}

const sessionKey = (hash: string): string => `session:${hash}`;

/** Sessions of this process: a hub that starts anew asks everybody to log in again. Ids are kept as hashes only. */
export const createSessions = (deps: { clock: Clock; ended: Ended; limits?: Partial<SessionLimits> }): Sessions => {
  const { clock, ended } = deps;
  const limits = { ...SESSION_LIMITS, ...deps.limits };
  /** By hash, in the order of last use. */
  const sessions = new Map<string, Session>();
  const now = (): number => clock.now().getTime();

  const isCurrent = (session: Session): boolean => now() < session.endsAt && now() - session.usedAt < limits.idleMs;
  const current = (hash: string): Session | undefined => {
    const session = sessions.get(hash);
    if (session === undefined || isCurrent(session)) return session;
    sessions.delete(hash);
    return undefined;
  };
  const put = (hash: string, session: Session): void => {
    sessions.delete(hash);
    sessions.set(hash, session);
  };

  const endHash = (hash: string): void => {
    if (sessions.delete(hash)) ended.tell(sessionKey(hash));
  };
  ended.listen((key) => {
    for (const [hash, { source }] of [...sessions]) {
      if (source?.key === key) endHash(hash);
    }
  });

  return {
    begin: (principal, { byCookie, endsAt = Infinity, source }) => {
      const id = newSecret();
      put(hashSecret(id), { principal, byCookie, endsAt: Math.min(endsAt, now() + limits.absoluteMs), source, usedAt: now() });
      dropOldest(sessions, limits.max);
      return id;
    },
    check: (id, { byCookie }) => {
      const hash = hashSecret(id);
      const session = current(hash);
      if (session === undefined || session.byCookie !== byCookie) return undefined;
      session.usedAt = now();
      put(hash, session);
      return {
        principal: session.principal,
        key: sessionKey(hash),
        byCookie,
        expiresAt: session.endsAt,
        stillHolds: async () => current(hash) !== undefined && ((await session.source?.stillHolds()) ?? true),
      };
    },
    end: (id) => endHash(hashSecret(id)),
  };
};
