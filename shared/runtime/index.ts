export * from './async.ts';
export * from './backoff.ts';
export * from './clock.ts';
export * from './config.ts';
export * from './fake-clock.ts';
export * from './http-server.ts';
export * from './logger.ts';
export * from './metrics.ts';
