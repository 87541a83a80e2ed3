import type { Clock } from '@fso/shared/runtime';
import type { RequestHandler } from 'express';
import { Histogram, type Registry } from 'prom-client';

/**
 * Measures the requests of each route. Registers its histogram: call once per registry.
 *
 * @returns handler by route pattern, which is the label; the requested path never is
 */
export const createRequestTimer = ({ registry, clock }: { registry: Registry; clock: Clock }): ((path: string) => RequestHandler) => {
  const duration = new Histogram({
    name: 'fso_hub_http_request_duration_seconds',
    help: 'Time from request to answer.',
    labelNames: ['method', 'path', 'status'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  return (path) => (req, res, next) => {
    const begin = clock.monotonicMs();
    res.once('finish', () => duration.observe({ method: req.method, path, status: res.statusCode }, (clock.monotonicMs() - begin) / 1000));
    next();
  };
};
