import { createRateLimit } from '@fso/shared/runtime';
import type { Request, Response } from 'express';
import type { Principal } from '../../access/index.ts';
import { readCookie, setCookie } from '../http/cookies.ts';
import { ApiError } from '../http/problems.ts';
import type { ApiDeps } from '../types.ts';
import { addressOf, type Caller, callerOf, record, setGrant } from './caller.ts';

const LOGINS = { burst: 20, perSecond: 0.5, addresses: 10_000 };

/** @returns a limit per address, of its own; it throws ApiError `too-many-requests` */
export const createLoginLimit = ({ clock }: ApiDeps): ((req: Request) => void) => {
  const allows = createRateLimit(clock, LOGINS);
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

/** Takes the place of the session that the browser had, and is recorded before the browser gets it. @returns who calls from now on */
export const beginBrowserSession = async (
  deps: ApiDeps,
  { principal, source, endsAt, detail }: SessionStart,
  req: Request,
  res: Response,
): Promise<Caller> => {
  const { sessions } = deps.access;
  const old = readCookie(deps, req, 'fso');
  if (old !== undefined) await sessions.end(old);
  const id = await sessions.begin(principal, { byCookie: true, source, endsAt });
  const grant = sessions.check(id, { byCookie: true });
  if (grant !== undefined) setGrant(res, grant);
  const caller = callerOf(req, res);
  await record(deps, caller, { action: 'login', outcome: 'done', ...(detail === undefined ? {} : { detail }) });
  setCookie(deps, res, 'fso', { value: id });
  return caller;
};
