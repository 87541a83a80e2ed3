import { isUnscoped, type RoleGrant } from '@fso/shared/api';
import { byText, canonicalJson } from '@fso/shared/encoding';
import type { RequestHandler, Response } from 'express';
import { grantsCovering } from '../../access/index.ts';
import type { FleetState } from '../../ledger/index.ts';
import { callerOf } from '../http/caller.ts';
import { ThreadSlices } from '../http/limits/request-work.ts';
import { ApiError } from '../http/problems.ts';
import type { HubScope, Route } from '../http/route.ts';
import { ScopedLedger } from './scoped-ledger.ts';

/**
 * Scopes that are served at the same time. Each has a read model of its own, which takes memory
 * with the clusters and policies that it sees; beyond this number the one that was asked for least
 * recently goes, of those without an open stream or export: one that was ended would come back at
 * once, and end another one.
 */
export const MAX_SCOPES = 32;
const BUSY_RETRY_SECONDS = '30';

/**
 * View of one scope: its ledger, and the handlers of routes over it, each made on its first call.
 */
interface ScopeView<C> {
  readonly ledger: ScopedLedger;
  readonly handlerOf: (route: Route<C, 'scoped'>) => RequestHandler;
  /** Streams, exports and plans that are open. */
  readonly open: Set<Response>;
}

/** Equal for equal scopes of all callers. */
const keyOf = (grants: readonly RoleGrant[]): string =>
  [...new Set(grants.map(({ clusters, policies }) => canonicalJson({ clusters, policies })))].sort(byText).join('\n');

/** A stream, export or plan ends with what it was read from, and keeps that until it ends. */
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
 * Serves each caller from the visible part of the fleet: a scoped route works on one context, of
 * the whole fleet or of a scope, and does not know what the context leaves out. Callers with equal
 * scopes share a view.
 *
 * @typeParam C context of scoped routes
 * @typeParam H context of the other routes, those of the whole hub
 */
export class ScopeViews<C, H extends C> {
  readonly #whole: H;
  readonly #ledger: FleetState;
  readonly #contextOf: (ledger: ScopedLedger) => C;
  readonly #slices: ThreadSlices;
  /** Views by key; the least recently used one first. */
  readonly #views = new Map<string, ScopeView<C>>();

  constructor(whole: H, ledger: FleetState, contextOf: (ledger: ScopedLedger) => C, slices = new ThreadSlices()) {
    this.#whole = whole;
    this.#ledger = ledger;
    this.#contextOf = contextOf;
    this.#slices = slices;
  }

  /**
   * @returns the handler of a route for every caller whom the route's access lets in
   * @throws Error for a route that is public and needs a role, or is neither
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
      // A commit may have ended it meanwhile: what is made on it now would never be let go.
      if (view.ledger.ended.aborted) return void res.destroy();
      if (slots === 'stream' || slots === 'export' || slots === 'plan') openOn(view, res);
      return view.handlerOf(route)(req, res, next);
    };
  }

  async #viewOf(grants: readonly RoleGrant[]): Promise<ScopeView<C>> {
    const key = keyOf(grants);
    await this.#views.get(key)?.ledger.state();
    // Another call may have made it meanwhile.
    const known = this.#views.get(key);
    this.#views.delete(key);
    const view = known === undefined || known.ledger.ended.aborted ? this.#createWithin(grants) : known;
    this.#views.set(key, view);
    await view.ledger.state();
    return view;
  }

  /** @throws ApiError `too-many-requests` where every scope has open streams */
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
