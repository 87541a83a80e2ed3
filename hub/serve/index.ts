export { createApi } from './api.ts';
export { buildOpenApi } from './openapi.ts';
export type { ApiConfig, ApiOptions, StreamOptions } from './types.ts';
