import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKubeClient } from '@fso/shared/kube';
import { listen, systemClock } from '@fso/shared/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { bootstrapCluster } from './bootstrap.ts';

const API_SERVICES = '/apis/apiregistration.k8s.io/v1/apiservices';
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/**
 * Prepares a cluster that serves everything but answers this about APIServices. @returns what it
 * was asked to do
 */
const bootstrap = async (status: number, body: object): Promise<string[]> => {
  const stop = new AbortController();
  const requests: string[] = [];
  const answer: RequestListener = (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    requests.push(`${request.method} ${pathname}`);
    const isAsked = pathname === API_SERVICES;
    response.writeHead(isAsked ? status : 200).end(JSON.stringify(isAsked ? body : { metadata: {}, items: [] }));
  };
  const { url } = await listen(createServer(answer), '127.0.0.1:0', stop.signal);
  const folder = mkdtempSync(join(tmpdir(), 'fso-bootstrap-'));
  const kubeconfig = join(folder, 'config');
  const clusters = [{ name: 'k', cluster: { server: url } }];
  const users = [{ name: 'u', user: { token: 't' } }];
  const contexts = [{ name: 'c', context: { cluster: 'k', user: 'u' } }];
  writeFileSync(kubeconfig, stringify({ clusters, users, contexts, 'current-context': 'c' }));
  const client = createKubeClient({ kubeconfig });
  stops.push(async () => {
    stop.abort();
    await client.close();
    rmSync(folder, { recursive: true });
  });
  await bootstrapCluster(client, systemClock, stop.signal);
  return requests;
};

describe('the foundation of the agent', () => {
  it('is installed if the API server has no aggregator, and so no APIServices', async () => {
    const requests = await bootstrap(404, { kind: 'Status', code: 404, reason: 'NotFound', message: 'not found' });
    expect(requests).toContain('PATCH /api/v1/namespaces/federated-sovereignty-system');
  });

  it('is not trusted if APIServices cannot be read', async () => {
    const refused = bootstrap(403, { kind: 'Status', code: 403, reason: 'Forbidden', message: 'no rights' });
    await expect(refused).rejects.toThrow('no rights');
  });
});
