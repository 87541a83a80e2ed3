import type { Request, Response } from 'express';
import type { AuditRecord, Grant, Principal } from '../../access/index.ts';
import { ApiError, PROBLEMS, requestIdOf } from '../http/problems.ts';
import type { ApiDeps } from '../types.ts';

/** Who calls, from where, and what about: what a record of the call says. */
export interface Caller {
  readonly principal: Principal;
  /** Milliseconds since 1970 at which its credential ends; null = it does not. */
  readonly expiresAt: number | null;
  /** Address, as far as trusted proxies tell it. */
  readonly from: string;
  readonly requestId: string;
  /** Says what the call is done to; a handler learns that on its way. */
  about(subject: string, detail?: string): void;
  readonly told: { subject: string; detail: string };
}

const NOBODY: Principal = { kind: 'anonymous', id: 'unknown', name: 'unknown', role: null };

export const addressOf = (req: Request): string => req.ip ?? req.socket.remoteAddress ?? '';

/** The guard leaves the grant here; an open route has none. */
const grantOf = (res: Response): Grant | undefined => res.locals['grant'] as Grant | undefined;
export const setGrant = (res: Response, grant: Grant): void => {
  res.locals['grant'] = grant;
};

export const callerOf = (req: Request, res: Response): Caller => {
  const told = { subject: '', detail: '' };
  return {
    principal: grantOf(res)?.principal ?? NOBODY,
    expiresAt: grantOf(res)?.expiresAt ?? null,
    from: addressOf(req),
    requestId: requestIdOf(res),
    told,
    about: (subject, detail = '') => {
      told.subject = subject;
      told.detail = detail;
    },
  };
};

type Outcome = AuditRecord['outcome'];

/** Resolves once the record is kept. */
export const record = (deps: ApiDeps, caller: Caller, what: { action: string; outcome: Outcome; detail?: string }): Promise<void> => {
  const { principal, from, requestId, told } = caller;
  return deps.onAudit({
    time: deps.clock.now().toISOString(),
    actor: { kind: principal.kind, id: principal.id, name: principal.name, roles: principal.role === null ? [] : [principal.role] },
    from,
    requestId,
    action: what.action,
    outcome: what.outcome,
    subject: told.subject,
    detail: what.detail ?? told.detail,
  });
};

const failureOf = (error: unknown): { outcome: Outcome; detail: string } =>
  error instanceof ApiError && PROBLEMS[error.code].status < 500
    ? { outcome: 'refused', detail: error.message }
    : { outcome: 'failed', detail: 'see the log of the hub' };

/** Does the work and records how it ended; what cannot be recorded is not answered as done. */
export const recorded = async <T>(deps: ApiDeps, caller: Caller, action: string, work: () => Promise<T>): Promise<T> => {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await record(deps, caller, { action, ...failureOf(error) });
    throw error;
  }
  await record(deps, caller, { action, outcome: 'done' });
  return result;
};
