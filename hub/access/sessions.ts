import type { Runtime } from '@fso/shared/runtime';
import type { Grant, Principal, Revocations } from './principal.ts';
import { hashSecret, newSecret } from './secrets.ts';
import type { SessionRecord, SessionStore } from './session-store.ts';

/** Life and number of sessions. */
export interface SessionLimits {
  /** A session that nobody used for so long ends. */
  readonly idleMs: number;
  /** Longest life of a session, however much it is used. */
  readonly absoluteMs: number;
  /** Sessions kept; the one unused for longest goes first. */
  readonly max: number;
}

const HOUR_MS = 3_600_000;
/** Limits of sessions in production; tests set shorter ones. */
export const SESSION_LIMITS: SessionLimits = { idleMs: 8 * HOUR_MS, absoluteMs: 24 * HOUR_MS, max: 10_000 };

/**
 * Least time between two records of a session's use, in milliseconds, so that checks hardly ever
 * write.
 */
const USE_RECORDED_EVERY_MS = 300_000;

interface Session {
  readonly record: SessionRecord;
  usedAt: number;
  /** Use that was last sent to be written. */
  notedAt: number;
}

/** Origin of a new session, which bounds its life. */
export interface SessionOptions {
  readonly byCookie: boolean;
  /** Milliseconds since 1970; where it is to end before the limit. */
  readonly endsAt?: number | undefined;
  /** Key of what it depends on: the session holds no longer than that. */
  readonly source?: string | undefined;
}

/** Store of the sessions, and checks of what they depend on. */
export interface SessionDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly store: SessionStore;
  /** Whether what a session depends on would be taken now, by its key. */
  readonly holds: (source: string) => Promise<boolean>;
  readonly revocations: Revocations;
  readonly limits?: Partial<SessionLimits> | undefined;
}

const sessionKey = (hash: string): string => `session:${hash}`;

const isCurrent = ({ record, usedAt }: Session, now: number, { idleMs }: SessionLimits): boolean =>
  now < record.endsAt && now - usedAt < idleMs;

/**
 * Whether a session has ended at every hub. Another one may know of a use that was not written yet,
 * so an idle session is kept for as long as that takes.
 */
const isOver = ({ record, usedAt }: Session, now: number, { idleMs }: SessionLimits): boolean =>
  now >= record.endsAt || now - usedAt >= idleMs + USE_RECORDED_EVERY_MS;

/** Hashes of the sessions that make room for another one. */
const surplusOf = (sessions: readonly Session[], now: number, limits: SessionLimits): string[] => {
  const all = sessions.toSorted((left, right) => left.usedAt - right.usedAt);
  const over = all.filter((session) => isOver(session, now, limits));
  const kept = all.filter((session) => !isOver(session, now, limits));
  return [...over, ...kept.slice(0, Math.max(0, kept.length + 1 - limits.max))].map(({ record }) => record.hash);
};

/**
 * Sessions of people and tokens: opaque ids, known to all hubs that share the store, which has
 * their hashes only.
 */
export const createSessions = ({ store, holds, clock, revocations, logger, ...deps }: SessionDeps) => {
  const limits = { ...SESSION_LIMITS, ...deps.limits };
  /** Sessions by hash of the id. */
  const sessions = new Map<string, Session>();
  /** Hashes of those that were ended here, which the store may still have. */
  const ending = new Set<string>();
  const now = (): number => clock.now().getTime();

  const drop = (hash: string): void => {
    if (sessions.delete(hash)) revocations.publish(sessionKey(hash));
  };
  store.watch(({ here, gone }) => {
    for (const hash of gone) drop(hash);
    for (const record of here.filter(({ hash }) => !ending.has(hash))) {
      const usedAt = Math.max(record.usedAt, sessions.get(record.hash)?.usedAt ?? 0);
      sessions.set(record.hash, { record, usedAt, notedAt: record.usedAt });
    }
  });

  const current = (hash: string): Session | undefined => {
    const session = sessions.get(hash);
    return session !== undefined && isCurrent(session, now(), limits) ? session : undefined;
  };

  const endHash = async (hash: string): Promise<void> => {
    ending.add(hash);
    drop(hash);
    await store.remove(hash);
    ending.delete(hash);
  };
  revocations.subscribe((key) => {
    for (const [hash, { record }] of [...sessions])
      if (record.source === key) endHash(hash).catch((err: unknown) => logger.warn({ err }, 'end of a session could not be recorded'));
  });

  const noteUse = (session: Session): void => {
    session.usedAt = now();
    if (session.usedAt - session.notedAt < USE_RECORDED_EVERY_MS) return;
    session.notedAt = session.usedAt;
    store.used(session.record.hash, session.usedAt).catch((err: unknown) => logger.warn({ err }, 'use of a session could not be recorded'));
  };

  return {
    /** @returns its id, a secret that only its owner gets, once the session is durable */
    begin: async (principal: Principal, { byCookie, endsAt = Infinity, source }: SessionOptions): Promise<string> => {
      const id = newSecret();
      const usedAt = now();
      const ends = Math.min(endsAt, usedAt + limits.absoluteMs);
      const record = { principal, byCookie, source: source ?? null, usedAt, hash: hashSecret(id), endsAt: ends };
      await Promise.all([...surplusOf([...sessions.values()], usedAt, limits).map(endHash), store.add(record)]);
      return id;
    },
    /**
     * Counts as use. A session that began for a cookie is not one as a bearer token, nor the other
     * way round.
     */
    check: (id: string, { byCookie }: { byCookie: boolean }): Grant | undefined => {
      const hash = hashSecret(id);
      const session = current(hash);
      if (session === undefined || session.record.byCookie !== byCookie) return undefined;
      noteUse(session);
      const { principal, endsAt, source } = session.record;
      return {
        principal,
        key: sessionKey(hash),
        byCookie,
        expiresAt: endsAt,
        source: source ?? undefined,
        stillHolds: async () => current(hash) !== undefined && (source === null || (await holds(source))),
      };
    },
    /**
     * Ends a session: here at once, also for calls under way, and at other hubs within a second.
     * Resolves once that is durable.
     */
    end: (id: string): Promise<void> => endHash(hashSecret(id)),
  };
};

/** Sessions of people, by the id in their cookie or token. */
export type Sessions = ReturnType<typeof createSessions>;
