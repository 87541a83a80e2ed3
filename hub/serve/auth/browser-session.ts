import type { Request, Response } from 'express';
import type { Access, Principal } from '../../access/index.ts';
import { type Caller, callerOf } from '../http/caller.ts';
import { readCookie, setCookie } from '../http/cookies.ts';
import type { CountFailure } from './authorize.ts';
import type { LoginLimits } from './login-limits.ts';

/** Dependencies shared by all ways to sign in. */
export interface LoginDeps {
  readonly access: Access;
  readonly countFailure: CountFailure;
  readonly logins: LoginLimits;
}

interface SessionStart {
  readonly principal: Principal;
  /** Key of the credential with which the session ends. */
  readonly source: string;
  /** Latest end of the session, in milliseconds since 1970. */
  readonly endsAt?: number | undefined;
  /** Detail for the audit log. */
  readonly detail?: string;
}

/**
 * Replaces the session of the browser. The audit record is durable before the browser gets the
 * cookie.
 *
 * @throws ApiError `too-many-requests` if the account logs in too often
 */
export const beginBrowserSession = async (
  deps: LoginDeps,
  { principal, source, endsAt, detail }: SessionStart,
  req: Request,
  res: Response,
): Promise<Caller> => {
  const { sessions } = deps.access;
  deps.logins.count(principal);
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
