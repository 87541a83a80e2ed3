import type { ClusterEvent } from '@fso/shared/api';
import type { KubeClient } from '@fso/shared/kube';
import { digestOfToken, type IssuedIdentity, parseToken } from '@fso/shared/protocol';
import { type Clock, createBackoff, type Logger, messageOf, untilAborted } from '@fso/shared/runtime';
import { type AgentIdentity, checkIdentity, type Life, newKey, requestCertificate } from './certificate.ts';
import { enrol, fetchCa, HubRefusal, renew } from './hub-requests.ts';
import { loadIdentity, type StoredIdentity, saveIdentity } from './identity-secret.ts';
import { planIdentity, renewInMs } from './plan-identity.ts';

export interface IdentityKeeperOptions {
  readonly config: {
    readonly cluster: string;
    readonly hubUrl: string;
    readonly enrolToken: string | undefined;
    /** PEM of what verifies the hub instead of the CA that comes with the identity. */
    readonly ca: string | undefined;
  };
  readonly client: KubeClient;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly onEvent: (event: Omit<ClusterEvent, 'time'>) => void;
  /** There is another certificate than before. */
  readonly onRenewed: () => void;
  readonly onExpiry: (expires: Date) => void;
}

/** Sees to it that the agent has something to prove itself with at the hub. */
export interface IdentityKeeper {
  /** Waits until there is one. */
  current(signal: AbortSignal): Promise<AgentIdentity>;
  /** Expiry of the present certificate, if there is one. */
  expires(): Date | undefined;
  /** The hub does not take the present certificate: it is time to ask why. */
  refused(): void;
  /** Works until the signal aborts, which is what it throws then. */
  run(signal: AbortSignal): Promise<void>;
}

const RETRY = { baseMs: 2_000, maxMs: 300_000, minMs: 1_000 } as const;
/** Between two looks at why the hub refuses. */
const REFUSED_LOOK_MS = 60_000;

interface Held {
  readonly identity: AgentIdentity;
  /** By the clock of this agent. */
  readonly life: Life;
  /** As the certificate says it. */
  readonly expires: Date;
}

/** Keeps the agent's key and certificate: loads them from the Secret, enrols where there are none, and renews in time. */
export const createIdentityKeeper = (options: IdentityKeeperOptions): IdentityKeeper => {
  const { config, client, clock, logger } = options;
  const { cluster, hubUrl } = config;
  const first = Promise.withResolvers<void>();
  let held: Held | undefined;
  let wake = new AbortController();
  let lastLook = Number.NEGATIVE_INFINITY;
  let complaint: string | undefined;

  /** While the present certificate is good, a hub that cannot be reached is no reason for an alarm. */
  const isGrave = (error: unknown): boolean =>
    held === undefined || error instanceof HubRefusal || held.life.until.getTime() <= clock.now().getTime();
  const complain = (error: unknown, retryInMs: number): void => {
    const reason = messageOf(error);
    logger.warn({ detail: reason, retryInMs }, 'no new certificate');
    if (reason === complaint || !isGrave(error)) return;
    complaint = reason;
    options.onEvent({
      severity: 'alert',
      reason: 'NotEnrolled',
      message: `This agent cannot prove itself to the hub: ${reason}`.slice(0, 4_096),
    });
  };
  const hold = (identity: AgentIdentity, { from, until }: Life, skewMs = 0): void => {
    const life = { from: new Date(from.getTime() + skewMs), until: new Date(until.getTime() + skewMs) };
    held = { identity, life, expires: until };
    complaint = undefined;
    options.onExpiry(until);
    first.resolve();
  };
  const withTrust = (identity: AgentIdentity): AgentIdentity => (config.ca === undefined ? identity : { ...identity, ca: config.ca });

  /** Kept before it is used: what is lost in between could not be proven again. */
  const keep = async (key: string, issued: IssuedIdentity, enrolledWith: string | undefined, signal: AbortSignal): Promise<void> => {
    const identity: AgentIdentity = { cert: issued.certificate, key, ca: issued.ca };
    const life = checkIdentity(identity, cluster);
    await saveIdentity(client, { identity, enrolledWith, asked: undefined }, signal);
    // The dates were made by the clock of the hub.
    hold(identity, life, clock.now().getTime() - Date.parse(issued.time));
  };

  const enrolWith = async (token: string, stored: StoredIdentity, signal: AbortSignal): Promise<void> => {
    const digest = digestOfToken(token);
    const key = stored.asked?.token === digest ? stored.asked.key : newKey();
    // The hub answers the same key twice, should the first answer be lost.
    await saveIdentity(client, { ...stored, asked: { key, token: digest } }, signal);
    const pinned = await fetchCa(hubUrl, parseToken(token)?.caFingerprint ?? '', config.ca, signal);
    const issued = await enrol(hubUrl, { token, csr: await requestCertificate(key) }, config.ca ?? pinned, signal);
    await keep(key, issued, digest, signal);
    options.onEvent({
      severity: 'info',
      reason: 'Enrolled',
      message: `The agent has enrolled; its certificate is good until ${issued.expires}.`,
    });
  };
  const renewWith = async (identity: AgentIdentity, enrolledWith: string | undefined, signal: AbortSignal): Promise<void> => {
    const key = newKey();
    const issued = await renew(hubUrl, await requestCertificate(key), withTrust(identity), signal);
    await keep(key, issued, enrolledWith, signal);
    logger.info({ expires: issued.expires }, 'certificate renewed');
  };

  const follow = async (plan: ReturnType<typeof planIdentity>, stored: StoredIdentity, signal: AbortSignal): Promise<void> => {
    switch (plan.kind) {
      case 'use':
        if (stored.identity !== undefined) hold(stored.identity, plan.life);
        return;
      case 'renew':
        if (stored.identity !== undefined) await renewWith(stored.identity, stored.enrolledWith, signal);
        return;
      case 'nothing':
        throw new Error(plan.reason);
      case 'enrol':
        return enrolOr(plan.otherwise, stored, signal);
    }
  };
  const enrolOr = async (otherwise: Parameters<typeof follow>[0], stored: StoredIdentity, signal: AbortSignal): Promise<void> => {
    try {
      await enrolWith(config.enrolToken ?? '', stored, signal);
    } catch (error) {
      if (!(error instanceof HubRefusal) || otherwise.kind === 'nothing') throw error;
      logger.warn({ code: error.code, detail: error.message }, 'enrolment token refused, the present identity stays');
      await follow(otherwise, stored, signal);
    }
  };
  const obtain = async (signal: AbortSignal): Promise<void> => {
    const stored = await loadIdentity(client, signal);
    const plan = planIdentity({ stored, cluster, token: config.enrolToken, now: clock.now() });
    logger.info({ plan: plan.kind }, 'identity of the agent');
    await follow(plan, stored, signal);
  };

  const renewHeld = async (signal: AbortSignal): Promise<void> => {
    const { enrolledWith } = await loadIdentity(client, signal);
    if (held !== undefined) await renewWith(held.identity, enrolledWith, signal);
  };

  /** Ends early when the hub refuses: then there is something to find out, and the hub is there. */
  const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
    wake = new AbortController();
    await clock.sleep(ms, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
    signal.throwIfAborted();
  };

  /** Tries until it is done. */
  const persist = async (attempt: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> => {
    const backoff = createBackoff({ ...RETRY, random: options.random });
    for (;;) {
      try {
        return await attempt(signal);
      } catch (error) {
        signal.throwIfAborted();
        const retryInMs = backoff.next();
        complain(error, retryInMs);
        await pause(retryInMs, signal);
      }
    }
  };

  const untilDue = async (signal: AbortSignal): Promise<void> => {
    if (held !== undefined) await pause(renewInMs(held.life, clock.now(), options.random()), signal);
  };

  return {
    current: async (signal) => {
      if (held === undefined) {
        await Promise.race([first.promise, untilAborted(signal)]);
        signal.throwIfAborted();
      }
      if (held === undefined) throw new Error('there is no identity');
      return withTrust(held.identity);
    },
    expires: () => held?.expires,
    refused: () => {
      const now = clock.monotonicMs();
      if (held === undefined || now - lastLook < REFUSED_LOOK_MS) return;
      lastLook = now;
      wake.abort();
    },
    run: async (signal) => {
      await persist(obtain, signal);
      for (;;) {
        await untilDue(signal);
        await persist(renewHeld, signal);
        options.onRenewed();
      }
    },
  };
};
