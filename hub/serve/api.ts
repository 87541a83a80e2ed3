import type { Writable } from 'node:stream';
import type { RoleGrant } from '@fso/shared/api';
import type { ConnectionLimiter, Runtime, Secret, Shutdown } from '@fso/shared/runtime';
import express, { type RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import type { Access, OnAudit } from '../access/index.ts';
import type { Alerts } from '../alerts/index.ts';
import type { FleetState, Ledger } from '../ledger/index.ts';
import type { PolicyDocuments } from '../source/index.ts';
import { type CountFailure, createAuthorize, createFailureCounter } from './auth/authorize.ts';
import { LoginLimits } from './auth/login-limits.ts';
import { registerFleetMetrics } from './fleet/fleet-metrics.ts';
import { FleetReader } from './fleet/fleet-reader.ts';
import { identifyCaller } from './http/caller.ts';
import { createDashboard } from './http/dashboard.ts';
import { noStore, secureHeaders } from './http/headers.ts';
import { prepareWork } from './http/limits/request-work.ts';
import { ApiError, problemHandler, requestId } from './http/problems.ts';
import { createRequestTimer } from './http/request-timer.ts';
import type { IssueLister } from './issues/issue-lister.ts';
import type { StreamOptions } from './live/broadcast.ts';
import { ROUTES } from './openapi.ts';
import type { PlanDeps } from './routes/commits/plan-routes.ts';
import type { RolloutDeps } from './routes/commits/rollout-routes.ts';
import type { EnrolmentAccess, ForgetAccess } from './routes/enrolment-routes.ts';
import type { PolicyDeps } from './routes/policy-routes.ts';
import type { WebhookDeps } from './routes/webhook-routes.ts';
import { ScopeViews } from './scope/scope-views.ts';
import { type AlertAccess, scopeAlerts } from './scope/scoped-alerts.ts';
import type { ScopedLedger } from './scope/scoped-ledger.ts';
import { scopeAgents, scopeEnrolment } from './scope/scoped-parts.ts';

/** Longest time for which a reader may read nothing, in milliseconds. */
const UNREAD_MS = 30_000;

/**
 * Cuts an answer whose reader reads nothing for a time: it would keep its slot and its memory
 * without end. A slow reader is not cut, nor one that waits for the hub.
 *
 * Node calls the timeout of a socket without traffic, also within one large write.
 */
export const cutUnread =
  (unreadMs: number): RequestHandler =>
  (_req, res, next) => {
    res.setTimeout(unreadMs, () => {
      if (res.writableLength > 0) res.destroy(new Error(`its reader read nothing for ${unreadMs / 1000} s`));
    });
    next();
  };

/** Settings of the API. */
export interface ApiConfig {
  /** Secret of Git webhooks; absent: the hub accepts them from its own machine only. */
  readonly webhookSecret?: Secret | undefined;
  /** Repository and ref of the pushes that cause a fetch; absent: every push does. */
  readonly git?: { readonly url: string; readonly ref: string };
  /** Addresses or networks of proxies whose X-Forwarded-For the hub trusts. */
  readonly trustedProxies?: readonly string[];
  /**
   * Milliseconds: how old the copy of the revocations may be for calls that change something.
   * Default 5 min.
   */
  readonly maxBehindMs?: number;
  /** Folder of the built dashboard; absent: there is none. */
  readonly dashboard?: string;
  /** Public key of the hub's checkpoints. */
  readonly auditKey: string;
  readonly stream?: StreamOptions | undefined;
  /** Milliseconds for which a reader may take nothing of an answer. Default 30 s. */
  readonly unreadMs?: number;
}

/** Parts of the process that the API uses. */
export interface ApiRuntime extends Pick<Runtime, 'clock' | 'logger'> {
  readonly registry: Registry;
  /** Absent: the hub never stops. */
  readonly shutdown?: Pick<Shutdown, 'draining' | 'closing'> | undefined;
  /** Bounds the connections of callers that have proven nothing yet. Absent: nothing does. */
  readonly connections?: Pick<ConnectionLimiter, 'release'>;
}

/** Parts of the hub that routes read and write. */
export interface ApiDeps {
  readonly ledger: Ledger;
  /** Shared with everything else that reads the fleet. */
  readonly fleet: FleetReader;
  /** Step ①: the hint of a webhook, and the documents of policies. */
  readonly source: WebhookDeps['source'] & { readonly documents: PolicyDocuments };
  /** Agents that are connected. */
  readonly agents: PolicyDeps['agents'];
  /** Plans of changes, restricted to what a caller sees. */
  readonly plans: PlanDeps['plans'] & { readonly within: (grants: readonly RoleGrant[]) => PlanDeps['plans'] };
  readonly access: Access;
  readonly alerts: Alerts;
  /** Step ③: the rollout of the newest commit. */
  readonly rollout: RolloutDeps['rollout'];
  /** Lister of the current issues. */
  readonly issues: IssueLister;
  /** Called for every change that a caller made, or tried to make. */
  readonly onAudit: OnAudit;
  /** Absent: agents do not enrol. */
  readonly enrolment?: (EnrolmentAccess & ForgetAccess) | undefined;
  /** Writes a backup of the ledger. */
  readonly backup: (target: Writable) => Promise<unknown>;
  readonly runtime: ApiRuntime;
}

/** Dependencies of scoped routes: each can be restricted to a scope. */
interface ScopedContext {
  readonly ledger: FleetState;
  readonly fleet: FleetReader;
  readonly issues: IssueLister;
  readonly agents: PolicyDeps['agents'];
  readonly plans: PlanDeps['plans'];
  readonly alerts: AlertAccess;
  readonly enrolment?: EnrolmentAccess | undefined;
  readonly runtime: ApiRuntime;
  readonly config: ApiConfig;
}

/** Dependencies of the other routes; each sees only the part that it names. */
interface HubContext extends Omit<ApiDeps, 'onAudit'> {
  readonly config: ApiConfig;
  readonly countFailure: CountFailure;
  readonly logins: LoginLimits;
}

/** Restricts the context of scoped routes to a scope. */
const scopedContext = (whole: HubContext, ledger: ScopedLedger): ScopedContext => {
  const fleet = new FleetReader({
    ledger,
    clock: whole.runtime.clock,
    version: whole.fleet.version,
    slices: whole.fleet.slices,
    readVisibility: async () => (await ledger.state()).visibility,
  });
  return {
    ledger,
    fleet,
    issues: whole.issues.over(fleet),
    agents: scopeAgents(whole.agents, ledger),
    plans: whole.plans.within(ledger.grants),
    alerts: scopeAlerts(whole.alerts, ledger),
    enrolment: whole.enrolment && scopeEnrolment(whole.enrolment, ledger),
    runtime: whole.runtime,
    config: whole.config,
  };
};

/** `/policies/{name}` as express writes it. */
const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/**
 * Step ⑨: the API for people, programs and webhooks. Registers metrics in the registry, so once per
 * registry.
 *
 * Every route names the least role that it needs. Open are /healthz, /readyz, the description of
 * the API, the login, the files of the dashboard, which contain nothing of the fleet, and the
 * webhook, which has a secret of its own.
 */
export const createApi = (config: ApiConfig, { onAudit, ...deps }: ApiDeps): express.Express => {
  const { access, fleet, ledger, runtime } = deps;
  const { clock, logger, registry } = runtime;
  const context: HubContext = {
    ...deps,
    config,
    countFailure: createFailureCounter({ clock, registry }),
    logins: new LoginLimits(clock),
  };
  const app = express();
  app.disable('x-powered-by');
  // No answer is stored (no-store), so there is nothing to compare with.
  app.disable('etag');
  app.set('trust proxy', [...(config.trustedProxies ?? [])]);
  app.use(
    cutUnread(config.unreadMs ?? UNREAD_MS),
    requestId,
    prepareWork(fleet.slices),
    identifyCaller({ clock, onAudit }),
    secureHeaders(access.publicOrigin),
    noStore,
  );
  registerFleetMetrics({ fleet, ledger, registry });
  const timed = createRequestTimer({ registry, clock });
  const authorize = createAuthorize(context);
  const views = new ScopeViews<ScopedContext, HubContext>(context, ledger, (scoped) => scopedContext(context, scoped), fleet.slices);
  for (const route of ROUTES) {
    app[route.method](expressPath(route.path), timed(route.path), ...authorize(route), views.handlerOf(route));
  }
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const allowed = ROUTES.filter((route) => route.path === path).map(({ method }) => method.toUpperCase());
    app.all(expressPath(path), (req) => {
      throw new ApiError('method-not-allowed', `${req.method} is not for ${path}.`, { Allow: allowed.join(', ') });
    });
  }
  if (config.dashboard !== undefined) app.use(createDashboard(config.dashboard));
  app.use((req) => {
    throw new ApiError('not-found', `Nothing is at ${req.path}. The API is described at /api/v1/openapi.json.`);
  });
  app.use(problemHandler(logger));
  return app;
};
