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

/** Time after which an answer that its reader does not read is aborted, in milliseconds. */
const UNREAD_MS = 30_000;

/**
 * Aborts an answer whose reader has read nothing for a while, because it would keep its slot and
 * memory forever. Slow readers, and readers that wait for the hub, are not affected.
 *
 * Node.js emits the timeout of a socket without traffic even during one large write.
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
  /** Secret of Git webhooks; undefined: webhooks are accepted only from the hub's own machine. */
  readonly webhookSecret?: Secret | undefined;
  /** Repository and ref whose pushes cause a fetch; undefined: every push does. */
  readonly git?: { readonly url: string; readonly ref: string };
  /** Addresses or networks of proxies whose X-Forwarded-For the hub trusts. */
  readonly trustedProxies?: readonly string[];
  /**
   * Maximum age of the copy of the revocations for calls that change something, in milliseconds.
   * Default: 5 min.
   */
  readonly maxBehindMs?: number;
  /** Folder of the built dashboard; undefined: no dashboard is served. */
  readonly dashboard?: string;
  /** Public key of the hub's checkpoints. */
  readonly auditKey: string;
  readonly stream?: StreamOptions | undefined;
  /** Time after which an unread answer is aborted, in milliseconds. Default: 30 s. */
  readonly unreadMs?: number;
}

/** Parts of the process that the API uses. */
export interface ApiRuntime extends Pick<Runtime, 'clock' | 'logger'> {
  readonly registry: Registry;
  /** Shutdown of the process; undefined: the hub never stops. */
  readonly shutdown?: Pick<Shutdown, 'draining' | 'closing'> | undefined;
  /** Limiter of connections by callers that have not authenticated yet; undefined: no limit. */
  readonly connections?: Pick<ConnectionLimiter, 'release'>;
}

/** Parts of the hub that routes read and write. */
export interface ApiDeps {
  readonly ledger: Ledger;
  /** Index of the fleet, shared by all its readers. */
  readonly fleet: FleetReader;
  /** Step ①: receives the hints of webhooks and provides policy documents. */
  readonly source: WebhookDeps['source'] & { readonly documents: PolicyDocuments };
  /** Connected agents. */
  readonly agents: PolicyDeps['agents'];
  /** Plans of changes. `within` restricts them to the grants of a caller. */
  readonly plans: PlanDeps['plans'] & { readonly within: (grants: readonly RoleGrant[]) => PlanDeps['plans'] };
  readonly access: Access;
  readonly alerts: Alerts;
  /** Rollout of the newest commit, step ③. */
  readonly rollout: RolloutDeps['rollout'];
  /** Lister of the current issues. */
  readonly issues: IssueLister;
  /** Called for every change that a caller makes or attempts. */
  readonly onAudit: OnAudit;
  /** Enrolment of clusters; undefined: agents do not enrol. */
  readonly enrolment?: (EnrolmentAccess & ForgetAccess) | undefined;
  /** Writes a backup of the ledger. */
  readonly backup: (target: Writable) => Promise<unknown>;
  readonly runtime: ApiRuntime;
}

/** Dependencies of scoped routes. Each can be restricted to a scope. */
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

/** Dependencies of all other routes. Each route sees only those that it names. */
interface HubContext extends Omit<ApiDeps, 'onAudit'> {
  readonly config: ApiConfig;
  readonly countFailure: CountFailure;
  readonly logins: LoginLimits;
}

/** Builds the context of scoped routes for a scope. */
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

/** Converts `/policies/{name}` to the notation of express. */
const expressPath = (path: string): string => path.replaceAll(/\{(\w+)\}/g, ':$1');

/**
 * Creates the API for people, programs and webhooks, step ⑨. Registers metrics: call once per
 * registry.
 *
 * Every route names the least role that it needs. Open to everyone are /healthz, /readyz, the
 * description of the API, the login, and the files of the dashboard, which contain no data of the
 * fleet. The webhook is authenticated by its own secret.
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
  // Answers are never stored (no-store), so ETags are of no use.
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
