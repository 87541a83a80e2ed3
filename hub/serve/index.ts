export { createApi } from './api.ts';
export { createFleetIndex, type FleetIndex } from './fleet/fleet-index.ts';
export { buildOpenApi } from './openapi.ts';
export { statusOf } from './queries.ts';
export { type ApiConfig, type ApiOptions, DEFAULT_MAX_BEHIND_MS, type StreamOptions } from './types.ts';
