import type { Runtime } from '@fso/shared/runtime';
import type { Grant, Principal, Revocations } from './principal.ts';
import { hashSecret, newSecret } from './secrets.ts';
import type { SessionRecord, SessionStore } from './session-store.ts';

/** Limits of the lifetime and the number of sessions. */
export interface SessionLimits {
  /** Time without use after which a session ends. */
  readonly idleMs: number;
  /** Maximum lifetime of a session. */
  readonly absoluteMs: number;
  /** Maximum number of sessions. Beyond it, the session unused for longest is dropped. */
  readonly max: number;
}

const HOUR_MS = 3_600_000;
/** Limits of sessions in production. Tests use shorter ones. */
export const SESSION_LIMITS: SessionLimits = { idleMs: 8 * HOUR_MS, absoluteMs: 24 * HOUR_MS, max: 10_000 };

/**
 * Minimum time between two writes of a session's use, in milliseconds, so that checks rarely write.
 */
const USE_RECORDED_EVERY_MS = 300_000;

interface Session {
  readonly record: SessionRecord;
  usedAt: number;
  /** Last use that was submitted to the store. */
  notedAt: number;
}

/** Origin of a new session, which bounds its lifetime. */
export interface SessionOptions {
  readonly byCookie: boolean;
  /** End in milliseconds since 1970, if earlier than the maximum lifetime. */
  readonly endsAt?: number | undefined;
  /** Key of the credential on which the session depends. */
  readonly source?: string | undefined;
}

/** Store of the sessions, and checks of what they depend on. */
export interface SessionDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly store: SessionStore;
  /** Whether the credential with this key is currently valid. */
  readonly holds: (source: string) => Promise<boolean>;
  readonly revocations: Revocations;
  readonly limits?: Partial<SessionLimits> | undefined;
}

const sessionKey = (hash: string): string => `session:${hash}`;

const isCurrent = ({ record, usedAt }: Session, now: number, { idleMs }: SessionLimits): boolean =>
  now < record.endsAt && now - usedAt < idleMs;

/**
 * Whether a session has ended at every hub. Another hub may know of a use that was not written yet,
 * so idle sessions are kept for that much longer.
 */
const isOver = ({ record, usedAt }: Session, now: number, { idleMs }: SessionLimits): boolean =>
  now >= record.endsAt || now - usedAt >= idleMs + USE_RECORDED_EVERY_MS;

/** Selects the sessions to drop, so that there is room for another one. */
const surplusOf = (sessions: readonly Session[], now: number, limits: SessionLimits): string[] => {
  const all = sessions.toSorted((left, right) => left.usedAt - right.usedAt);
  const over = all.filter((session) => isOver(session, now, limits));
  const kept = all.filter((session) => !isOver(session, now, limits));
  return [...over, ...kept.slice(0, Math.max(0, kept.length + 1 - limits.max))].map(({ record }) => record.hash);
};

/**
 * Creates the sessions of people and tokens: opaque ids. The store has only their hashes, and all
 * hubs that share it accept them.
 */
export const createSessions = ({ store, holds, clock, revocations, logger, ...deps }: SessionDeps) => {
  const limits = { ...SESSION_LIMITS, ...deps.limits };
  /** Sessions by the hash of their id. */
  const sessions = new Map<string, Session>();
  /** Hashes of sessions that ended at this hub and may still be in the store. */
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
    /** Creates a session. Resolves once it is durable. @returns its id, which is secret */
    begin: async (principal: Principal, { byCookie, endsAt = Infinity, source }: SessionOptions): Promise<string> => {
      const id = newSecret();
      const usedAt = now();
      const ends = Math.min(endsAt, usedAt + limits.absoluteMs);
      const record = { principal, byCookie, source: source ?? null, usedAt, hash: hashSecret(id), endsAt: ends };
      await Promise.all([...surplusOf([...sessions.values()], usedAt, limits).map(endHash), store.add(record)]);
      return id;
    },
    /**
     * Checks a session; counts as use. A session for a cookie is not accepted as a bearer token,
     * nor the reverse.
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
     * Ends a session: at this hub at once, including calls in progress, and at other hubs within a
     * second. Resolves once that is durable.
     */
    end: (id: string): Promise<void> => endHash(hashSecret(id)),
  };
};

/** Sessions of people, by the id in their cookie or token. */
export type Sessions = ReturnType<typeof createSessions>;
