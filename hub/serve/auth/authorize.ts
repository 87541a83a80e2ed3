import { CSRF_HEADER } from '@fso/shared/api';
import { isLoopback } from '@fso/shared/runtime';
import type { Request, RequestHandler, Response } from 'express';
import { covers, foreignRequest, type Grant } from '../../access/index.ts';
import { readCookie } from '../http/cookies.ts';
import { ownOrigin } from '../http/own-origin.ts';
import { ApiError } from '../http/problems.ts';
import { type Route, untilClosed } from '../http/route.ts';
import { SLOT_LIMITS, type SlotKind, Slots } from '../http/slots.ts';
import { type ApiDeps, DEFAULT_MAX_BEHIND_MS } from '../types.ts';
import type { AuthFailure } from './auth-failures.ts';
import { callerOf, record, setGrant } from './caller.ts';
import { loginError } from './login-error.ts';

/** How often an open stream or export asks whether its reader is still let in. */
const RECHECK_MS = 30_000;

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="fso"' };

/** Ends an open stream or export with the credential that opened it: at once when that is revoked, else within {@link RECHECK_MS}. */
const follow = async (deps: ApiDeps, res: Response, grant: Grant): Promise<void> => {
  const gone = new AbortController();
  const cut = (): void => void res.destroy();
  const unsubscribe = deps.access.ended.listen((key) => key === grant.key && cut());
  res.once('close', () => {
    unsubscribe();
    gone.abort();
  });
  // What ended between the check and the subscription was not heard.
  if (!(await grant.stillHolds())) return cut();
  const watch = async (): Promise<void> => {
    while (await grant.stillHolds()) {
      const left = grant.expiresAt === null ? RECHECK_MS : grant.expiresAt - deps.clock.now().getTime();
      await deps.clock.sleep(Math.max(1, Math.min(RECHECK_MS, left)), gone.signal);
    }
    cut();
  };
  // Ends with the reader (the sleep is aborted), or cuts it off.
  watch().catch(() => cut());
};

interface No {
  readonly reason: AuthFailure;
  readonly detail: string;
}

const foreignPage = (req: Request, { method }: Route, { byCookie }: Grant, own: string): No | undefined => {
  if (!byCookie || method === 'get') return undefined;
  const said = { origin: req.get('Origin'), site: req.get('Sec-Fetch-Site'), proof: req.get(CSRF_HEADER) };
  const foreign = foreignRequest(said, own);
  return foreign === undefined ? undefined : { reason: 'csrf', detail: `The call is not one of this hub's own pages: ${foreign}.` };
};

/** A page of elsewhere whose name was made to mean this machine (DNS rebinding) still calls by that name. */
const foreignName = ({ hostname }: Request, { principal }: Grant): No | undefined =>
  principal.kind !== 'anonymous' || isLoopback(hostname)
    ? undefined
    : { reason: 'host', detail: `Without FSO_API_TOKEN or FSO_OIDC_ISSUER the hub is for its own machine, not for ${hostname}.` };

const lackingRole = ({ access }: Route, { principal: { name, role } }: Grant): No | undefined => {
  if (access === 'open' || access === 'signed-in' || covers(role, access)) return undefined;
  const detail =
    role === null
      ? `You are ${name}, but nothing that the identity provider says of you gives a role here. Ask an administrator of the hub.`
      : `You are ${name} with the role ${role}; this needs the role ${access}.`;
  return { reason: 'role', detail };
};

/** Lets the callers of a route through that its access names, and nobody else. */
export const createGuard = (deps: ApiDeps): ((route: Route) => readonly RequestHandler[]) => {
  const { access, countFailure } = deps;

  const authenticate = async (req: Request): Promise<Grant> => {
    const credentials = { authorization: req.get('Authorization'), session: readCookie(deps, req, 'fso') };
    const checked = await access.check(credentials).catch((error: unknown) => {
      throw loginError(error);
    });
    if (checked.ok) return checked.grant;
    countFailure(req, checked.reason);
    throw new ApiError('unauthorized', checked.detail, CHALLENGE);
  };

  const whyNot = (req: Request, route: Route, grant: Grant): No | undefined =>
    foreignPage(req, route, grant, ownOrigin(deps, req)) ?? foreignName(req, grant) ?? lackingRole(route, grant);

  const slots = Object.fromEntries(Object.entries(SLOT_LIMITS).map(([kind, limits]) => [kind, new Slots(limits)])) as Record<
    SlotKind,
    Slots
  >;
  /** Until the answer is over. */
  const takeSlot = async (kind: SlotKind, res: Response, { principal }: Grant): Promise<void> => {
    const release = await slots[kind].acquire(`${principal.kind}:${principal.id}`, untilClosed(res));
    if (res.destroyed) release();
    else res.once('close', release);
  };

  const refuse = async (req: Request, res: Response, route: Route, no: No): Promise<never> => {
    // First: entries of the audit log are kept for ever, so their number is limited too.
    countFailure(req, no.reason);
    if (route.method !== 'get')
      await record(deps, callerOf(req, res), { action: route.operationId, outcome: 'refused', detail: no.detail });
    throw new ApiError('forbidden', no.detail);
  };

  /** Where another hub may have revoked the credential and this one could not hear of it, nothing is changed by it. */
  const assertCurrent = ({ access: role }: Route, { principal, byCookie }: Grant): void => {
    const isOwn = !byCookie && (principal.kind === 'local' || principal.kind === 'anonymous');
    if (isOwn || (role !== 'operator' && role !== 'admin')) return;
    if (deps.ledger.behindMs() <= (deps.config.maxBehindMs ?? DEFAULT_MAX_BEHIND_MS)) return;
    throw new ApiError('not-ready', 'This hub cannot read what others have revoked of late.', { 'Retry-After': '30' });
  };

  return (route) => {
    if (route.access === 'open') return [];
    const guard: RequestHandler = async (req, res, next) => {
      const grant = await authenticate(req);
      setGrant(res, grant);
      const no = whyNot(req, route, grant);
      if (no !== undefined) await refuse(req, res, route, no);
      assertCurrent(route, grant);
      if (route.slots !== undefined) await takeSlot(route.slots, res, grant);
      if (route.slots === 'stream' || route.slots === 'export') await follow(deps, res, grant);
      next();
    };
    return [guard];
  };
};
