import { type Clock, createRateLimit } from '@fso/shared/runtime';
import type { Request, Response } from 'express';
import type { Access, Principal } from '../../access/index.ts';
import { addressOf, type Caller, callerOf } from '../http/caller.ts';
import { readCookie, setCookie } from '../http/cookies.ts';
import { ApiError } from '../http/problems.ts';
import type { CountFailure } from './authorize.ts';

/** What every way to sign in works with. */
export interface LoginDeps {
  readonly access: Access;
  readonly countFailure: CountFailure;
  readonly runtime: { readonly clock: Clock };
}

const LOGINS = { burst: 20, perSecond: 0.5, addresses: 10_000 };

/** @returns counts a login of an address, and throws ApiError `too-many-requests` for one too many; each limit counts on its own */
export const createLoginLimit = ({ runtime }: LoginDeps): ((req: Request) => void) => {
  const allows = createRateLimit(runtime.clock, LOGINS);
  return (req) => {
    if (!allows(addressOf(req))) throw new ApiError('too-many-requests', 'Too many logins from this address.', { 'Retry-After': '2' });
  };
};

interface SessionStart {
  readonly principal: Principal;
  /** Key of the credential that it ends with. */
  readonly source: string;
  /** Milliseconds since 1970 at which it ends at the latest. */
  readonly endsAt?: number | undefined;
  /** For the audit log. */
  readonly detail?: string;
}

/** Replaces the session that the browser had; the audit record is durable before the browser gets the cookie. */
export const beginBrowserSession = async (
  deps: LoginDeps,
  { principal, source, endsAt, detail }: SessionStart,
  req: Request,
  res: Response,
): Promise<Caller> => {
  const { sessions } = deps.access;
  const old = readCookie(deps, req, 'fso');
  if (old !== undefined) await sessions.end(old);
  const id = await sessions.begin(principal, { byCookie: true, source, endsAt });
  const grant = sessions.check(id, { byCookie: true });
  const caller = callerOf(res);
  if (grant !== undefined) caller.signIn(grant);
  await caller.audit('login', 'done', detail);
  setCookie(deps, res, 'fso', { value: id });
  return caller;
};
