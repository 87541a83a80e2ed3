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
 * Milliseconds for which a hub that cannot read the ledger still trusts its copy of the
 * revocations.
 */
export const DEFAULT_MAX_BEHIND_MS = 300_000;

const AUTH_FAILURES = ['missing', 'invalid', 'csrf', 'host', 'role'] as const;
/** Reason why a call is refused, as the metric names it. */
export type AuthFailure = (typeof AUTH_FAILURES)[number];

/**
 * Counts a call that is refused.
 *
 * @throws ApiError `too-many-requests` where the address has failed too often, instead of the
 * reason of this refusal
 */
export type CountFailure = (req: Request, reason: AuthFailure) => void;

/** Failed calls of one address: this many at once, then one a second. */
const FAILURES = { burst: 20, perSecond: 1, addresses: 10_000 };

/**
 * Creates the count of refused callers.
 *
 * @returns one count for all ways in; registers its metric, so once per registry
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

/** Credentials and their revocations, by which calls are admitted. */
export interface AuthorizeDeps {
  readonly access: Access;
  readonly countFailure: CountFailure;
  readonly ledger: Pick<Lease, 'behindMs'>;
  readonly config: {
    /**
     * Greatest age of the copy of the revocations for calls that change something, in milliseconds.
     * Default {@link DEFAULT_MAX_BEHIND_MS}.
     */
    readonly maxBehindMs?: number;
  };
  readonly runtime: {
    readonly clock: Clock;
    /** Bounds those of callers that have proven nothing yet. */
    readonly connections?: Pick<ConnectionLimiter, 'release'> | undefined;
  };
}

/** Interval at which an open stream or export checks that its reader is still authorized. */
const RECHECK_MS = 30_000;

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="fso"' };

/**
 * Ends an open stream or export with the credential that opened it: at once when that is revoked,
 * else within {@link RECHECK_MS}.
 */
const endWithCredential = async ({ access, runtime: { clock } }: AuthorizeDeps, res: Response, grant: Grant): Promise<void> => {
  const gone = new AbortController();
  const cut = (): void => void res.destroy();
  const unsubscribe = access.revocations.subscribe((key) => key === grant.key && cut());
  res.once('close', () => {
    unsubscribe();
    gone.abort();
  });
  // A revocation between the check and the subscription was not published to it.
  if (!(await grant.stillHolds())) return cut();
  const watch = async (): Promise<void> => {
    while (await grant.stillHolds()) {
      const left = grant.expiresAt === null ? RECHECK_MS : grant.expiresAt - clock.now().getTime();
      await clock.sleep(Math.max(1, Math.min(RECHECK_MS, left)), gone.signal);
    }
    cut();
  };
  // Ends with the reader (the sleep is aborted), or cuts it off.
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
 * A foreign page whose name an attacker points at this machine (DNS rebinding) still calls by that
 * name.
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
 * Creates the check of a caller's role.
 *
 * @returns by route: the handlers that admit only the callers that the route's access names
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
  /** Takes a slot and releases it when the response is closed. */
  const takeSlot = async (kind: SlotKind, res: Response, caller: string): Promise<void> => {
    const release = await slots[kind].acquire(caller, untilClosed(res));
    if (res.destroyed) release();
    else res.once('close', release);
  };

  const takeListSlot = async (res: Response, caller: string): Promise<void> => {
    // One that is over its budget takes no place in line from others, nor a slot once it is its
    // turn.
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
    // First: entries of the audit log are kept for ever, so their number is limited too.
    countFailure(req, refusal.reason);
    if (route.method !== 'get') await callerOf(res).audit(route.operationId, 'refused', refusal.detail);
    throw new ApiError('forbidden', refusal.detail);
  };

  /**
   * Refuses a change when this hub cannot read the ledger, since another hub may have revoked the
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
