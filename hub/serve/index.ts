export { type ApiConfig, type ApiDeps, createApi } from './api.ts';
export { DEFAULT_MAX_BEHIND_MS } from './auth/authorize.ts';
export { FleetReader } from './fleet/fleet-reader.ts';
