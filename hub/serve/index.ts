export { type ApiConfig, type ApiDeps, createApi } from './api.ts';
export { createFailureCounter, DEFAULT_MAX_BEHIND_MS } from './auth/authorize.ts';
export { createFleetGauges } from './fleet/fleet-metrics.ts';
export { FleetReader } from './fleet/fleet-reader.ts';
export { createRequestTimer } from './http/request-timer.ts';
export type { RouteAccess } from './http/route.ts';
export type { HubCertificate } from './issues/hub-issues.ts';
export { IssueLister } from './issues/issue-lister.ts';
export { buildOpenApi, ROUTES } from './openapi.ts';
