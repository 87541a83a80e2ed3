import { describeScope } from '@fso/shared/api';
import { type Clock, type ConnectionLimiter, createRateLimit, isLoopback } from '@fso/shared/runtime';
import type { Request, RequestHandler, Response } from 'express';
import { Counter, type Registry } from 'prom-client';
import { type Access, covers, type Grant, grantsCovering, roleEverywhere } from '../../access/index.ts';
import type { Lease } from '../../ledger/index.ts';
import { addressOf, callerOf } from '../http/caller.ts';
import { readCookie } from '../http/cookies.ts';
import { workOf } from '../http/limits/request-work.ts';
import { CallSlots, SLOT_LIMITS, type SlotKind } from '../http/limits/slots.ts';
import { ThreadBudgets } from '../http/limits/thread-budget.ts';
import { ApiError } from '../http/problems.ts';
import { type Route, untilClosed } from '../http/route.ts';
import { toLoginError } from './login-problems.ts';
import { describeForeignCall, ownOrigin } from './own-page.ts';

/**
 * Time for which a hub that cannot read the ledger still trusts its copy of the revocations, in
 * milliseconds.
 */
export const DEFAULT_MAX_BEHIND_MS = 300_000;

const AUTH_FAILURES = ['missing', 'invalid', 'csrf', 'host', 'role'] as const;
/** Reason why a call is refused. Label of the metric. */
export type AuthFailure = (typeof AUTH_FAILURES)[number];

/**
 * Counts a refused call.
 *
 * @throws ApiError `too-many-requests`, which replaces the reason of the refusal, if the address
 * has failed too often
 */
export type CountFailure = (req: Request, reason: AuthFailure) => void;

/** Budget of refused calls per address: burst and rate per second. */
const FAILURES = { burst: 20, perSecond: 1, addresses: 10_000 };

/**
 * Creates the counter of refused calls, shared by all authenticated routes. Registers its metric:
 * call once per registry.
 */
export const createFailureCounter = ({ clock, registry }: { clock: Clock; registry: Registry }): CountFailure => {
  const mayFail = createRateLimit(clock, FAILURES);
  const failures = new Counter({
    name: 'fso_hub_auth_failures_total',
    help: 'Calls that were not let in.',
    labelNames: ['reason'],
    registers: [registry],
  });
  for (const reason of AUTH_FAILURES) failures.inc({ reason }, 0);
  return (req, reason) => {
    failures.inc({ reason });
    if (!mayFail(addressOf(req)))
      throw new ApiError('too-many-requests', 'Too many calls from this address were refused.', { 'Retry-After': '1' });
  };
};

/** Credentials, revocations and limits by which calls are authorized. */
export interface AuthorizeDeps {
  readonly access: Access;
  readonly countFailure: CountFailure;
  readonly ledger: Pick<Lease, 'behindMs'>;
  readonly config: {
    /**
     * Maximum age of the copy of the revocations for calls that change something, in milliseconds.
     * Default: {@link DEFAULT_MAX_BEHIND_MS}.
     */
    readonly maxBehindMs?: number;
  };
  readonly runtime: {
    readonly clock: Clock;
    /** Limiter of connections by callers that have not authenticated yet. */
    readonly connections?: Pick<ConnectionLimiter, 'release'> | undefined;
  };
}

/**
 * Interval at which an open stream or export checks that its credential is still valid, in
 * milliseconds.
 */
const RECHECK_MS = 30_000;

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="fso"' };

/**
 * Ends an open stream or export when its credential becomes invalid: at once if it is revoked,
 * otherwise within {@link RECHECK_MS}.
 */
const endWithCredential = async ({ access, runtime: { clock } }: AuthorizeDeps, res: Response, grant: Grant): Promise<void> => {
  const gone = new AbortController();
  const cut = (): void => void res.destroy();
  const unsubscribe = access.revocations.subscribe((key) => key === grant.key && cut());
  res.once('close', () => {
    unsubscribe();
    gone.abort();
  });
  // Detects a revocation between the authorization and the subscription.
  if (!(await grant.stillHolds())) return cut();
  const watch = async (): Promise<void> => {
    while (await grant.stillHolds()) {
      const left = grant.expiresAt === null ? RECHECK_MS : grant.expiresAt - clock.now().getTime();
      await clock.sleep(Math.max(1, Math.min(RECHECK_MS, left)), gone.signal);
    }
    cut();
  };
  // Ends when the reader leaves, which aborts the sleep. Any other error aborts the response.
  watch().catch(() => cut());
};

interface Refusal {
  readonly reason: AuthFailure;
  readonly detail: string;
}

const foreignPage = (req: Request, { method }: Route, { byCookie }: Grant, own: string): Refusal | undefined => {
  if (!byCookie || method === 'get') return undefined;
  const detail = describeForeignCall(req, own);
  return detail === undefined ? undefined : { reason: 'csrf', detail };
};

/**
 * Refuses anonymous calls under a foreign host name: an attacker may point a name at this machine
 * (DNS rebinding).
 */
const foreignName = ({ hostname }: Request, { principal }: Grant): Refusal | undefined =>
  principal.kind !== 'anonymous' || isLoopback(hostname)
    ? undefined
    : { reason: 'host', detail: `Without FSO_API_TOKEN or FSO_OIDC_ISSUER the hub is for its own machine, not for ${hostname}.` };

const lackingRole = ({ access, scope }: Route, { principal: { name, role, grants } }: Grant): Refusal | undefined => {
  if (access === 'open' || access === 'signed-in' || covers(scope === 'global' ? roleEverywhere(grants) : role, access)) return undefined;
  if (role === null)
    return {
      reason: 'role',
      detail: `You are ${name}, but nothing that the identity provider says of you gives a role here. Ask an administrator of the hub.`,
    };
  const enough = grantsCovering(grants, access);
  const own = enough.length === 0 ? '' : ` for ${enough.map(describeScope).join(', and ')}`;
  const wanted = enough.length === 0 ? '' : ' for everything: it concerns the whole hub';
  return { reason: 'role', detail: `You are ${name} with the role ${role}${own}; this needs the role ${access}${wanted}.` };
};

/**
 * Creates the authorization of calls.
 *
 * @returns by route: handlers that admit only the callers that the route allows
 */
export const createAuthorize = (deps: AuthorizeDeps): ((route: Route) => readonly RequestHandler[]) => {
  const { access, countFailure } = deps;

  const authenticate = async (req: Request): Promise<Grant> => {
    const credentials = { authorization: req.get('Authorization'), session: readCookie(deps, req, 'fso') };
    const checked = await access.check(credentials).catch((error: unknown) => {
      throw toLoginError(error);
    });
    if (checked.ok) return checked.grant;
    countFailure(req, checked.reason);
    throw new ApiError('unauthorized', checked.detail, CHALLENGE);
  };

  const findRefusal = (req: Request, route: Route, grant: Grant): Refusal | undefined =>
    foreignPage(req, route, grant, ownOrigin(deps, req)) ?? foreignName(req, grant) ?? lackingRole(route, grant);

  const slots = Object.fromEntries(
    Object.entries(SLOT_LIMITS).map(([kind, limits]) => [kind, new CallSlots(limits, deps.runtime.clock)]),
  ) as Record<SlotKind, CallSlots>;
  const budgets = new ThreadBudgets(deps.runtime.clock);
  /** Acquires a slot. It is released when the response is closed. */
  const takeSlot = async (kind: SlotKind, res: Response, caller: string): Promise<void> => {
    const release = await slots[kind].acquire(caller, untilClosed(res));
    if (res.destroyed) release();
    else res.once('close', release);
  };

  const takeListSlot = async (res: Response, caller: string): Promise<void> => {
    // Checked before waiting, so that a caller over budget does not block the queue, and again when
    // its turn comes.
    budgets.assertLeft(caller);
    await takeSlot('list', res, caller);
    budgets.assertLeft(caller);
    workOf(res).chargeTo((ms) => budgets.charge(caller, ms));
  };

  const enter = async ({ slots: kind }: Route, res: Response, grant: Grant): Promise<void> => {
    const caller = `${grant.principal.kind}:${grant.principal.id}`;
    if (kind === 'list') await takeListSlot(res, caller);
    else if (kind !== undefined) await takeSlot(kind, res, caller);
    if (kind === 'stream' || kind === 'export') await endWithCredential(deps, res, grant);
  };

  const refuse = async (req: Request, res: Response, route: Route, refusal: Refusal): Promise<never> => {
    // Counted first, which also bounds the audit entries: they are kept forever.
    countFailure(req, refusal.reason);
    if (route.method !== 'get') await callerOf(res).audit(route.operationId, 'refused', refusal.detail);
    throw new ApiError('forbidden', refusal.detail);
  };

  /**
   * Refuses a change if this hub cannot read the ledger, because another hub may have revoked the
   * credential.
   *
   * @throws ApiError `not-ready`
   */
  const assertCurrent = ({ access: role }: Route, { principal, byCookie }: Grant): void => {
    const isOwn = !byCookie && (principal.kind === 'local' || principal.kind === 'anonymous');
    if (isOwn || (role !== 'operator' && role !== 'admin')) return;
    if (deps.ledger.behindMs() <= (deps.config.maxBehindMs ?? DEFAULT_MAX_BEHIND_MS)) return;
    throw new ApiError('not-ready', 'This hub cannot read recent revocations of other hubs.', { 'Retry-After': '30' });
  };

  return (route) => {
    if (route.access === 'open') return [];
    const authorize: RequestHandler = async (req, res, next) => {
      const grant = await authenticate(req);
      deps.runtime.connections?.release(req.socket);
      callerOf(res).signIn(grant);
      const refusal = findRefusal(req, route, grant);
      if (refusal !== undefined) await refuse(req, res, route, refusal);
      assertCurrent(route, grant);
      await enter(route, res, grant);
      next();
    };
    return [authorize];
  };
};
