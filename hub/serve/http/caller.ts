import { describeScope, isUnscoped, type RoleGrant } from '@fso/shared/api';
import type { Clock } from '@fso/shared/runtime';
import type { Request, RequestHandler, Response } from 'express';
import { type AuditRecord, type Grant, type OnAudit, type Principal, principalOf } from '../../access/index.ts';
import { ApiError, PROBLEMS, requestIdOf } from './problems.ts';

const UNKNOWN = principalOf({ kind: 'anonymous', id: 'unknown', name: 'unknown' }, []);

/** Address of the sender of a request, according to trusted proxies. */
export const addressOf = (req: Request): string => req.ip ?? req.socket.remoteAddress ?? '';

type Outcome = AuditRecord['outcome'];

/** Maximum number of roles in an audit entry, and maximum length of one in characters. */
const MAX_ROLES = 64;
const MAX_ROLE = 128;

const roleText = (grant: RoleGrant): string =>
  isUnscoped(grant) ? grant.role : `${grant.role} for ${describeScope(grant)}`.slice(0, MAX_ROLE);

const failureOf = (error: unknown): { outcome: Outcome; detail: string } =>
  error instanceof ApiError && PROBLEMS[error.code].status < 500
    ? { outcome: 'refused', detail: error.message }
    : { outcome: 'failed', detail: 'see the log of the hub' };

/** Clock, and receiver of audit records. */
export interface CallerDeps {
  readonly clock: Clock;
  readonly onAudit: OnAudit;
}

/**
 * Sender of a request, with address and subject. Each request has one, from which its audit record
 * is built.
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

  /** Accepted credential; undefined on open routes. */
  get grant(): Grant | undefined {
    return this.#grant;
  }

  /** Expiry of the credential, in milliseconds since 1970; null: it does not expire. */
  get expiresAt(): number | null {
    return this.#grant?.expiresAt ?? null;
  }

  /** Sets the accepted credential. Callers of open routes have none. */
  signIn(grant: Grant): void {
    this.#grant = grant;
  }

  /** Sets the object that the request changes. Handlers call it once they know. */
  about(subject: string, detail = ''): void {
    this.#subject = subject;
    this.#detail = detail;
  }

  /** Writes the audit record. Resolves once it is durable. */
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
   * Runs work and records its result. Work that cannot be recorded is not reported as done.
   *
   * @throws the error of the work, after the record is durable
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

/** Adds a {@link Caller} to each request. Must run before its users. */
export const identifyCaller =
  (deps: CallerDeps): RequestHandler =>
  (req, res, next) => {
    res.locals['caller'] = new Caller(deps, req, res);
    next();
  };

/** Returns the caller of a request. */
export const callerOf = (res: Response): Caller => res.locals['caller'] as Caller;
