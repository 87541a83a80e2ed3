import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API_GROUP, type ClusterEvent, floorLabel, type KubeObject, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { ADMISSION_POLICY_BINDING_KIND, API_SERVICE_KIND, type KindDescriptor, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { OBSERVATION_LIMITS } from '../../agent/observation/index.ts';
import { createAuthority } from '../../clusters/local/pki/certificates.ts';
import { EU, FloorHarness, MODES, US } from '../harness/floor-harness.ts';
import { scaleLimits } from '../harness/scale-limits.ts';
import { startTcpProxy, type TcpProxy } from '../harness/tcp-proxy.ts';
import { eventually } from '../harness/waiting.ts';

const [MODE] = MODES;
const API = { name: `v1.${API_GROUP}` };
const SERVICE_KIND: KindDescriptor = { apiVersion: 'v1', kind: 'Service', plural: 'services', namespaced: true };

let world: FloorHarness;
/** Between the agent and the API server. */
let proxy: TcpProxy;
const events: ClusterEvent[] = [];

const isTold = (reason: string): boolean => events.some((event) => event.reason === reason);
const isGoverned = async (namespace: string): Promise<boolean> =>
  (await world.namespace(namespace))?.metadata.labels?.[floorLabel('deny')] === 'active';

/**
 * Sends every request for the policies to a service, past the guard, as an administrator who
 * deletes it again and again.
 */
const sendTo = async (name: string, port: number): Promise<void> => {
  const metadata = { labels: { 'kube-aggregator.kubernetes.io/automanaged': null } };
  const spec = { service: { name, namespace: 'default', port }, insecureSkipTLSVerify: true };
  await eventually(async () => {
    await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, { name: 'fso-guard-definitions' }, world.signal);
    await world.stranger.mergePatch(API_SERVICE_KIND, API, { metadata, spec }, world.signal);
    return true;
  });
};

const isTakenBack = async (): Promise<boolean> => {
  const live = await world.client.get(API_SERVICE_KIND, API, world.signal);
  return live !== undefined && live.spec?.service === undefined && (await world.policy('finance')) !== undefined;
};

const VERSION = '1';
const statusOf = (code: number, reason: string) => ({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message: reason });

/** The impostor's responses for the API group: empty lists. undefined: a watch that stays open. */
const impostorSays = (method: string | undefined, { pathname, searchParams: query }: URL): readonly [number, object] | undefined => {
  const plural = pathname.split('/').at(-1) ?? '';
  if (plural === 'v1') return [200, { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${API_GROUP}/v1`, resources: [] }];
  if (method !== 'GET' || !['sovereignpolicies', 'floorparameters'].includes(plural)) return [404, statusOf(404, 'NotFound')];
  if (!query.has('watch')) return [200, { kind: 'List', apiVersion: `${API_GROUP}/v1`, metadata: { resourceVersion: VERSION }, items: [] }];
  // A client with the version of another list must list here again.
  return query.get('resourceVersion') === VERSION ? undefined : [410, statusOf(410, 'Expired')];
};

/**
 * Serves the API group instead of the API server, for every client. @returns its port, and the
 * requests of each user
 */
const startImpostor = async () => {
  const { certificate: cert, key } = await createAuthority('impostor');
  const requests: string[] = [];
  const server = createServer({ cert, key }, ({ method, url, headers }, response) => {
    const asked = new URL(url ?? '/', 'https://x');
    const [status, body] = impostorSays(method, asked) ?? [200];
    requests.push(`${headers['x-remote-user']} ${method} ${asked.pathname.split('/').at(-1)} ${status}`);
    response.writeHead(status, { 'content-type': 'application/json' });
    if (body === undefined) response.flushHeaders();
    else response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, requests, stop };
};

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fso-api-services-'));
  world = await FloorHarness.start('api-services', MODE ?? expect.fail('no mode'));
  await world.pause();
  const { hostname: host, port } = new URL(world.cluster.server);
  proxy = await startTcpProxy({ host, port: Number(port) });
  const kubeconfig = join(folder, 'agent.kubeconfig');
  await writeFile(kubeconfig, (await readFile(world.kubeconfig, 'utf8')).replaceAll(`:${port}`, `:${proxy.port}`));
  await world.resume({ kubeconfig, limits: scaleLimits(OBSERVATION_LIMITS, 0.1) });
  world.agent.observatory.onEvent((event) => events.push(event));
  return async () => {
    await world.end();
    await proxy.close();
    await rm(folder, { recursive: true, force: true });
  };
});

describe('a redirected API group that the agent may not restore', () => {
  let allow: () => Promise<void>;

  beforeEach(async () => {
    events.length = 0;
    allow = await world.refuseTheAgent(API_SERVICE_KIND, API.name);
  });

  it('is reported after a while when it has no server, and opens nothing', async () => {
    await sendTo('nowhere', 443);
    // Open watches continue at the API server itself.
    proxy.drop();
    await eventually(() => isTold('NotObserved'));
    expect(await isGoverned('finance')).toBe(true);
    expect(await world.tryPod('finance', US)).toContain("'fso-floor-pods-deny'");
    await allow();
    await eventually(isTakenBack);
    expect(isTold('Released')).toBe(false);
    // New writes are read again.
    await world.makeNamespace('after');
    await world.govern('after');
    await eventually(() => isGoverned('after'));
  });

  it('opens nothing for policies of the hub or local ones when an impostor lists no policies', async () => {
    const labels = { [LABELS.managedBy]: 'hub' };
    const spec = { targetNamespace: 'hubbed', allowedRegions: [EU] };
    const policy = { metadata: { namespace: SYSTEM_NAMESPACE, name: 'hubbed', labels }, spec } as KubeObject;
    await world.makeNamespace('hubbed');
    await world.client.create(SOVEREIGN_POLICY_KIND as KindDescriptor, policy, {}, world.signal);
    await eventually(() => isGoverned('hubbed'));
    const impostor = await startImpostor();
    const ports = [{ port: impostor.port }];
    const service = {
      metadata: { namespace: 'default', name: 'impostor' },
      spec: { type: 'ExternalName', externalName: '127.0.0.1', ports },
    };
    await world.stranger.create(SERVICE_KIND, service as KubeObject, {}, world.signal);
    await sendTo('impostor', impostor.port);
    await eventually(async () => (await world.stranger.list(SOVEREIGN_POLICY_KIND, {}, world.signal)).length === 0);
    proxy.drop();
    // Every agent's list of policies is empty from here on.
    const wasRead = (plural: string): boolean => impostor.requests.includes(`fso-admin GET ${plural} 200`);
    await eventually(() => wasRead('sovereignpolicies') && wasRead('floorparameters'));
    // The agent plans with the empty list.
    const floor = { name: 'fso-floor-workloads-deny' };
    await world.stranger.delete(ADMISSION_POLICY_BINDING_KIND, floor, world.signal);
    await eventually(() => world.client.get(ADMISSION_POLICY_BINDING_KIND, floor, world.signal));
    expect([await isGoverned('finance'), await isGoverned('hubbed')]).toEqual([true, true]);
    expect(await world.tryPod('finance', US)).toContain("'fso-floor-pods-deny'");
    await allow();
    await eventually(isTakenBack);
    await world.govern('later');
    await world.makeNamespace('later');
    await eventually(() => isGoverned('later'));
    expect([await isGoverned('finance'), await isGoverned('hubbed')]).toEqual([true, true]);
    expect(isTold('Released')).toBe(false);
    impostor.stop();
  });
});
