import type { RequestListener, ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';

/** What /readyz asks; each answers undefined, or why not. */
export type ReadyCheck = () => string | undefined;

const send = (response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
};

const sendReadiness = (response: ServerResponse, ready: ReadyCheck): void => {
  const problem = ready();
  send(response, problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
};

const sendMetrics = (response: ServerResponse, registry: Registry): void => {
  registry.metrics().then(
    (text) => send(response, 200, text, registry.contentType),
    (error: unknown) => send(response, 500, `${String(error)}\n`),
  );
};

/** /healthz: the process lives. /readyz: it can do its work. /metrics: Prometheus. */
export const healthListener =
  (ready: ReadyCheck, registry: Registry): RequestListener =>
  (request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'method not allowed\n');
    if (path === '/healthz') return send(response, 200, 'ok\n');
    if (path === '/readyz') return sendReadiness(response, ready);
    if (path === '/metrics') return sendMetrics(response, registry);
    send(response, 404, 'not found\n');
  };
