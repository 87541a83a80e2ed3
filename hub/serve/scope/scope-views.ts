import { isUnscoped, type RoleGrant } from '@fso/shared/api';
import { byText, canonicalJson } from '@fso/shared/encoding';
import { ThreadSlices } from '@fso/shared/runtime';
import type { RequestHandler, Response } from 'express';
import { grantsCovering } from '../../access/index.ts';
import type { FleetState } from '../../ledger/index.ts';
import { callerOf } from '../http/caller.ts';
import { ApiError } from '../http/problems.ts';
import type { HubScope, Route } from '../http/route.ts';
import { ScopedLedger } from './scoped-ledger.ts';

/**
 * Maximum number of scopes served at the same time. Each has its own read model, whose memory grows
 * with what it sees. Beyond this number, the least recently used scope without open streams or
 * exports is dropped. Dropping one with an open stream would only make the reader reconnect and
 * displace another.
 */
export const MAX_SCOPES = 32;
const BUSY_RETRY_SECONDS = '30';

/** View of one scope: its ledger, and the handlers of routes on it, each created on first use. */
interface ScopeView<C> {
  readonly ledger: ScopedLedger;
  readonly handlerOf: (route: Route<C, 'scoped'>) => RequestHandler;
  /** Open streams, exports and plans. */
  readonly open: Set<Response>;
}

/** Returns the key of a scope, equal for equal scopes of all callers. */
const keyOf = (grants: readonly RoleGrant[]): string =>
  [...new Set(grants.map(({ clusters, policies }) => canonicalJson({ clusters, policies })))].sort(byText).join('\n');

/**
 * Ties a response to its view: the response ends with the view, and keeps the view in use until
 * then.
 */
const openOn = ({ ledger: { ended }, open }: Pick<ScopeView<never>, 'ledger' | 'open'>, res: Response): void => {
  const cut = (): void => void res.destroy();
  ended.addEventListener('abort', cut, { once: true });
  open.add(res);
  res.once('close', () => {
    ended.removeEventListener('abort', cut);
    open.delete(res);
  });
};

/**
 * Serves each caller from the visible part of the fleet. A scoped route works on one context, of
 * the whole fleet or of a scope, and cannot access the rest. Callers with equal scopes share a
 * view.
 *
 * @typeParam C context of scoped routes @typeParam H context of all other routes, which concern the
 * whole hub
 */
export class ScopeViews<C, H extends C> {
  readonly #whole: H;
  readonly #ledger: FleetState;
  readonly #contextOf: (ledger: ScopedLedger) => C;
  readonly #slices: ThreadSlices;
  /** Views by key, the least recently used one first. */
  readonly #views = new Map<string, ScopeView<C>>();

  constructor(whole: H, ledger: FleetState, contextOf: (ledger: ScopedLedger) => C, slices = new ThreadSlices()) {
    this.#whole = whole;
    this.#ledger = ledger;
    this.#contextOf = contextOf;
    this.#slices = slices;
  }

  /**
   * Creates the handler of a route.
   *
   * @throws Error if a public route needs a role, or another route does not
   */
  handlerOf(route: Route<C, 'scoped'> | Route<H, HubScope>): RequestHandler {
    const { access, slots, path } = route;
    const needed = access === 'open' || access === 'signed-in' ? undefined : access;
    if ((route.scope === 'public') !== (needed === undefined)) throw new Error(`${path} is ${route.scope}, and for ${access}`);
    const whole = route.handler(this.#whole);
    if (route.scope !== 'scoped' || needed === undefined) return whole;
    return async (req, res, next) => {
      const grants = grantsCovering(callerOf(res).principal.grants, needed);
      if (grants.some(isUnscoped)) return whole(req, res, next);
      const view = await this.#viewOf(grants);
      // A commit may have ended the view meanwhile, so nothing new may use it.
      if (view.ledger.ended.aborted) return void res.destroy();
      if (slots === 'stream' || slots === 'export' || slots === 'plan') openOn(view, res);
      return view.handlerOf(route)(req, res, next);
    };
  }

  async #viewOf(grants: readonly RoleGrant[]): Promise<ScopeView<C>> {
    const key = keyOf(grants);
    await this.#views.get(key)?.ledger.state();
    // Another call may have created the view meanwhile.
    const known = this.#views.get(key);
    this.#views.delete(key);
    const view = known === undefined || known.ledger.ended.aborted ? this.#createWithin(grants) : known;
    this.#views.set(key, view);
    await view.ledger.state();
    return view;
  }

  /** @throws ApiError `too-many-requests` if every scope has open streams */
  #createWithin(grants: readonly RoleGrant[]): ScopeView<C> {
    for (const [oldest, { ledger, open }] of this.#views) {
      if (this.#views.size < MAX_SCOPES) break;
      if (open.size > 0) continue;
      this.#views.delete(oldest);
      ledger.end();
    }
    if (this.#views.size < MAX_SCOPES) return this.#create(grants);
    const text = `${MAX_SCOPES} different parts of the fleet are looked at. Try again later.`;
    throw new ApiError('too-many-requests', text, { 'Retry-After': BUSY_RETRY_SECONDS });
  }

  #create(grants: readonly RoleGrant[]): ScopeView<C> {
    const ledger = new ScopedLedger(this.#ledger, grants, this.#slices);
    const context = this.#contextOf(ledger);
    const handlers = new Map<Route<C, 'scoped'>, RequestHandler>();
    return {
      ledger,
      open: new Set(),
      handlerOf: (route) => {
        const handler = handlers.get(route) ?? route.handler(context);
        handlers.set(route, handler);
        return handler;
      },
    };
  }
}
