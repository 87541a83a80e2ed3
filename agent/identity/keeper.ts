import { type ClusterEvent, MAX_MESSAGE } from '@fso/shared/api';
import { digestOfToken, type IssuedIdentity, parseToken } from '@fso/shared/protocol';
import { createBackoff, messageOf, truncate, untilAborted } from '@fso/shared/runtime';
import type { AgentRuntime } from '../runtime.ts';
import { type AgentIdentity, checkIdentity, newKey, requestCertificate, type ValidityPeriod } from './certificate.ts';
import { enrol, fetchCa, type HubAddress, HubRefusal, renew, UntrustedHubError } from './hub-requests.ts';
import { loadIdentity, readEnrolToken, type StoredIdentity, saveIdentity } from './identity-secret.ts';
import { type IdentityInput, type IdentityPlan, planIdentity, renewInMs } from './plan-identity.ts';

/** Cluster, token and CA by which the agent enrols and verifies the hub. */
export interface IdentityKeeperConfig extends HubAddress {
  readonly cluster: string;
  readonly enrolToken: string | undefined;
  /** File with the token as an alternative to `enrolToken`. It may appear later. */
  readonly enrolTokenFile?: string | undefined;
  /** PEM that verifies the hub instead of the CA that is part of the identity. */
  readonly ca: string | undefined;
}

/** Receivers of events, of new certificates and of expiry dates. */
export interface IdentityKeeperHandlers {
  readonly onEvent: (event: Omit<ClusterEvent, 'time'>) => void;
  /** Called once the agent has a new certificate. */
  readonly onRenewed: () => void;
  readonly onExpiry: (expires: Date) => void;
}

const RETRY = { baseMs: 2_000, maxMs: 60_000, minMs: 1_000 } as const;
/** Shortest time between two renewals caused by refused connections, in ms. */
const REFUSED_SPACING_MS = 60_000;
/**
 * Time for which the hub must show another CA before an alert, in ms. A wrong route or a proxy may
 * be temporary.
 */
const UNTRUSTED_MS = 60_000;

/**
 * Whether the hub refuses the agent, or the agent refuses the hub because of its token. Repeating
 * the request is pointless.
 */
const isRefusal = (error: unknown): error is HubRefusal | UntrustedHubError =>
  error instanceof HubRefusal || error instanceof UntrustedHubError;

interface HeldIdentity {
  readonly identity: AgentIdentity;
  /** Validity by this agent's clock. */
  readonly validity: ValidityPeriod;
  /** Expiry date in the certificate. */
  readonly expires: Date;
}

/**
 * Obtains the agent's certificate, by enrolment or from its Secret, and renews it before it
 * expires.
 */
export class IdentityKeeper {
  readonly #config: IdentityKeeperConfig;
  readonly #runtime: AgentRuntime;
  readonly #handlers: IdentityKeeperHandlers;
  readonly #first = Promise.withResolvers<void>();
  #held: HeldIdentity | undefined;
  /** Ends the current wait. */
  #wake = new AbortController();
  /** Time of the last refusal that ended a wait, monotonic ms. */
  #refusedAt = Number.NEGATIVE_INFINITY;
  /** Time at which the hub first showed another CA since the last connection, monotonic ms. */
  #untrustedSince: number | undefined;
  /** Last alert. It is not raised twice in a row. */
  #alerted: string | undefined;

  constructor(config: IdentityKeeperConfig, runtime: AgentRuntime, handlers: IdentityKeeperHandlers) {
    this.#config = config;
    this.#runtime = runtime;
    this.#handlers = handlers;
  }

  /** Current identity. Waits until there is one. @throws the signal's reason */
  async current(signal: AbortSignal): Promise<AgentIdentity> {
    if (this.#held === undefined) {
      await Promise.race([this.#first.promise, untilAborted(signal)]);
      signal.throwIfAborted();
    }
    if (this.#held === undefined) throw new Error('there is no identity');
    return this.#withConfiguredCa(this.#held.identity);
  }

  /** Expiry of the current certificate, if there is one. */
  expires(): Date | undefined {
    return this.#held?.expires;
  }

  /**
   * Renews soon, because the hub refused the current certificate. The response to the renewal
   * contains the reason.
   */
  renewAfterRefusal(): void {
    const now = this.#runtime.clock.monotonicMs();
    if (this.#held === undefined || now - this.#refusedAt < REFUSED_SPACING_MS) return;
    this.#refusedAt = now;
    this.#wake.abort('refused');
  }

  /**
   * Looks for a token of the CA that the hub now shows. A renewal would fail like the connection.
   */
  recordUntrusted(reason: string): void {
    const now = this.#runtime.clock.monotonicMs();
    this.#untrustedSince ??= now;
    if (now - this.#untrustedSince >= UNTRUSTED_MS) this.#alert(`This agent does not trust what answers as its hub: ${reason}`);
    this.#wake.abort('untrusted');
  }

  /** Records that the hub showed its own CA and accepted the certificate. */
  recordConnected(): void {
    if (this.#untrustedSince === undefined) return;
    this.#untrustedSince = undefined;
    this.#alerted = undefined;
  }

  /** Runs until the signal aborts. @throws the signal's reason */
  async run(signal: AbortSignal): Promise<void> {
    await this.#retry(() => this.#obtain(signal), signal);
    for (;;) {
      const isDue = await this.#waitUntilDue(signal);
      await this.#retry(() => this.#replaceHeld(isDue, signal), signal);
    }
  }

  async #retry(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
    const backoff = createBackoff({ ...RETRY, random: this.#runtime.random });
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        signal.throwIfAborted();
        const retryInMs = backoff.next();
        this.#reportFailure(error, retryInMs);
        await this.#pause(retryInMs, signal);
      }
    }
  }

  /** @returns false if no renewal is due yet, but there may be a new token */
  async #waitUntilDue(signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#runtime;
    if (this.#held !== undefined) await this.#pause(renewInMs(this.#held.validity, clock.now(), random()), signal);
    return this.#wake.signal.reason !== 'untrusted';
  }

  /** Pauses. Ends early if hub or agent refused a connection, because the hub is then reachable. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    this.#wake = new AbortController();
    await this.#runtime.clock.sleep(ms, AbortSignal.any([signal, this.#wake.signal])).catch(() => undefined);
    signal.throwIfAborted();
  }

  async #obtain(signal: AbortSignal): Promise<void> {
    const { client, clock, logger } = this.#runtime;
    const stored = await loadIdentity(client, signal);
    const input = { stored, cluster: this.#config.cluster, token: await this.#readToken(stored), now: clock.now() };
    const plan = planIdentity(input);
    logger.info({ plan: plan.kind }, 'identity of the agent');
    await this.#follow(plan, input, signal);
  }

  /**
   * Reads the token. An unusable file must not keep an agent from using the identity that it has.
   */
  async #readToken({ identity }: StoredIdentity): Promise<string | undefined> {
    const { cluster, enrolToken, enrolTokenFile } = this.#config;
    if (enrolTokenFile === undefined) return enrolToken;
    try {
      return await readEnrolToken(enrolTokenFile, cluster);
    } catch (error) {
      if (identity === undefined) throw error;
      this.#runtime.logger.warn({ detail: messageOf(error) }, 'enrolment token not read, the present identity stays');
      return undefined;
    }
  }

  async #follow(plan: IdentityPlan, input: IdentityInput, signal: AbortSignal): Promise<void> {
    const { stored } = input;
    switch (plan.kind) {
      case 'use':
        if (stored.identity !== undefined) this.#hold(stored.identity, plan.validity);
        return;
      case 'renew':
        if (stored.identity !== undefined) await this.#renew(stored.identity, stored.enrolledWith, signal);
        return;
      case 'nothing':
        throw new Error(plan.reason);
      case 'enrol':
        return this.#enrolOr(plan.otherwise, input, signal);
    }
  }

  async #enrolOr(otherwise: IdentityPlan, input: IdentityInput, signal: AbortSignal): Promise<void> {
    try {
      await this.#enrol(input.token ?? '', input.stored, signal);
    } catch (error) {
      if (!isRefusal(error) || otherwise.kind === 'nothing') throw error;
      this.#runtime.logger.warn({ code: error.code, detail: error.message }, 'enrolment token refused, the present identity stays');
      await this.#follow(otherwise, input, signal);
    }
  }

  async #enrol(token: string, stored: StoredIdentity, signal: AbortSignal): Promise<void> {
    const { ca } = this.#config;
    const digest = digestOfToken(token);
    const key = stored.asked?.token === digest ? stored.asked.key : newKey();
    // The hub responds again to the same key, in case the first response is lost.
    await saveIdentity(this.#runtime.client, { ...stored, asked: { key, token: digest } }, signal);
    const pinned = await fetchCa(this.#config, parseToken(token)?.caFingerprint ?? '', ca, signal);
    const issued = await enrol(this.#config, { token, csr: await requestCertificate(key) }, ca ?? pinned, signal);
    await this.#store(key, issued, digest, signal);
    this.#handlers.onEvent({
      severity: 'info',
      reason: 'Enrolled',
      message: `The agent has enrolled; its certificate is good until ${issued.expires}.`,
    });
  }

  /** Enrols again if there is a new token; otherwise renews the certificate if that is due. */
  async #replaceHeld(isDue: boolean, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#runtime;
    const stored = { ...(await loadIdentity(client, signal)), identity: this.#held?.identity };
    const input = { stored, cluster: this.#config.cluster, token: await this.#readToken(stored), now: clock.now() };
    const renewal: IdentityPlan = { kind: 'renew' };
    const hasToken = planIdentity(input).kind === 'enrol';
    if (!hasToken && !isDue) return;
    await this.#follow(hasToken ? { kind: 'enrol', otherwise: renewal } : renewal, input, signal);
    this.#handlers.onRenewed();
  }

  async #renew(identity: AgentIdentity, enrolledWith: string | undefined, signal: AbortSignal): Promise<void> {
    const key = newKey();
    const csr = await requestCertificate(key);
    const issued = await renew(this.#config, csr, this.#withConfiguredCa(identity), signal);
    await this.#store(key, issued, enrolledWith, signal);
    this.#runtime.logger.info({ expires: issued.expires }, 'certificate renewed');
  }

  /** Stores an identity before it is used, so that its key cannot be lost. */
  async #store(key: string, issued: IssuedIdentity, enrolledWith: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#runtime;
    const identity: AgentIdentity = { cert: issued.certificate, key, ca: issued.ca };
    const validity = checkIdentity(identity, this.#config.cluster);
    await saveIdentity(client, { identity, enrolledWith, asked: undefined }, signal);
    // The dates come from the hub's clock.
    this.#hold(identity, validity, clock.now().getTime() - Date.parse(issued.time));
  }

  #hold(identity: AgentIdentity, { from, until }: ValidityPeriod, skewMs = 0): void {
    const validity = { from: new Date(from.getTime() + skewMs), until: new Date(until.getTime() + skewMs) };
    this.#held = { identity, validity, expires: until };
    this.#alerted = undefined;
    this.#handlers.onExpiry(until);
    this.#first.resolve();
  }

  #withConfiguredCa(identity: AgentIdentity): AgentIdentity {
    const { ca } = this.#config;
    return ca === undefined ? identity : { ...identity, ca };
  }

  #reportFailure(error: unknown, retryInMs: number): void {
    const reason = messageOf(error);
    this.#runtime.logger.warn({ detail: reason, retryInMs }, 'no new certificate');
    if (this.#isGrave(error)) this.#alert(`This agent cannot prove itself to the hub: ${reason}`);
  }

  #alert(message: string): void {
    if (message === this.#alerted) return;
    this.#alerted = message;
    this.#handlers.onEvent({ severity: 'alert', reason: 'NotEnrolled', message: truncate(message, MAX_MESSAGE) });
  }

  /**
   * Whether an error is worth an alert. An unreachable hub is not while the current certificate is
   * valid. Nor is a hub with another CA, which connections report (see {@link recordUntrusted}).
   */
  #isGrave(error: unknown): boolean {
    if (this.#held === undefined || error instanceof HubRefusal) return true;
    return !(error instanceof UntrustedHubError) && this.#held.validity.until.getTime() <= this.#runtime.clock.now().getTime();
  }
}
