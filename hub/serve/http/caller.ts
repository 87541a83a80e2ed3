import { describeScope, isUnscoped, type RoleGrant } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { Request, RequestHandler, Response } from 'express';
import { type AuditRecord, type Grant, type OnAudit, type Principal, principalOf } from '../../access/index.ts';
import { ApiError, PROBLEMS, requestIdOf } from './problems.ts';

const UNKNOWN = principalOf({ kind: 'anonymous', id: 'unknown', name: 'unknown' }, []);

/** Address of a request's sender, as far as trusted proxies tell it. */
export const addressOf = (req: Request): string => req.ip ?? req.socket.remoteAddress ?? '';

type Outcome = AuditRecord['outcome'];

/** Roles, and characters of one, that an entry of the audit log has room for. */
const MAX_ROLES = 64;
const MAX_ROLE = 128;

const roleText = (grant: RoleGrant): string =>
  isUnscoped(grant) ? grant.role : `${grant.role} for ${describeScope(grant)}`.slice(0, MAX_ROLE);

const failureOf = (error: unknown): { outcome: Outcome; detail: string } =>
  error instanceof ApiError && PROBLEMS[error.code].status < 500
    ? { outcome: 'refused', detail: error.message }
    : { outcome: 'failed', detail: 'see the log of the hub' };

/** Clock, and receiver of audit records of calls. */
export interface CallerDeps {
  readonly clock: Clock;
  readonly onAudit: OnAudit;
}

/**
 * The sender of a request, with its address and subject. There is one for each request, and its
 * audit record is made from it.
 */
export class Caller {
  readonly from: string;
  readonly requestId: string;
  readonly #deps: CallerDeps;
  #grant: Grant | undefined;
  #subject = '';
  #detail = '';

  constructor(deps: CallerDeps, req: Request, res: Response) {
    this.#deps = deps;
    this.from = addressOf(req);
    this.requestId = requestIdOf(res);
  }

  get principal(): Principal {
    return this.#grant?.principal ?? UNKNOWN;
  }

  /** The credential that was accepted; none on open routes. */
  get grant(): Grant | undefined {
    return this.#grant;
  }

  /** Milliseconds since 1970 at which the credential ends; null = it does not. */
  get expiresAt(): number | null {
    return this.#grant?.expiresAt ?? null;
  }

  /** Names the caller by a credential that was accepted; callers of open routes have none. */
  signIn(grant: Grant): void {
    this.#grant = grant;
  }

  /** Names what the request changes; a handler learns that on its way. */
  about(subject: string, detail = ''): void {
    this.#subject = subject;
    this.#detail = detail;
  }

  /** Resolves once the audit record is durable. */
  audit(action: string, outcome: Outcome, detail = this.#detail): Promise<void> {
    const { kind, id, name, grants } = this.principal;
    return this.#deps.onAudit({
      time: this.#deps.clock.now().toISOString(),
      actor: { kind, id, name, roles: grants.slice(0, MAX_ROLES).map(roleText) },
      from: this.from,
      requestId: this.requestId,
      action,
      outcome,
      subject: this.#subject,
      detail,
    });
  }

  /**
   * Runs a piece of work and records its result. Work that cannot be recorded is not reported as
   * done.
   *
   * @throws whatever the work throws, after the record is durable
   */
  async audited<T>(action: string, work: () => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work();
    } catch (error) {
      const { outcome, detail } = failureOf(error);
      await this.audit(action, outcome, detail);
      throw error;
    }
    await this.audit(action, 'done');
    return result;
  }
}

/** Gives each request its {@link Caller}; runs before everything that asks for it. */
export const identifyCaller =
  (deps: CallerDeps): RequestHandler =>
  (req, res, next) => {
    res.locals['caller'] = new Caller(deps, req, res);
    next();
  };

/** Reads the caller that authorization has found for a request. */
export const callerOf = (res: Response): Caller => res.locals['caller'] as Caller;
