export { createApi } from './api.ts';
export { buildOpenApi } from './openapi.ts';
export type { ApiConfig, ApiDeps, StreamOptions } from './types.ts';
