import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ApiError,
  type ApiObject,
  type Conditions,
  hasCondition,
  isEnforcing,
  objectPath,
  readManifest,
  retrying,
  type SetupApi,
} from './api.ts';
import { programFile, schedulerConfiguration } from './commands.ts';
import { GATEKEEPER_POD_OBJECT, type GatekeeperObjects, gatekeeperObjects } from './gatekeeper-manifest.ts';
import { KWOK_USER, readPair, serverUrl } from './pki/pki.ts';
import { isListening } from './ports.ts';
import type { Context } from './supervisor.ts';

function objectsOf({ paths, state, tools }: Context): GatekeeperObjects {
  const manifest = readManifest(programFile({ tools }, 'gatekeeper', 'gatekeeper.yaml'));
  return gatekeeperObjects(manifest, state.ports.webhook, readPair(paths.pki, 'ca').certificate);
}

async function established(context: Context, api: SetupApi, definition: ApiObject): Promise<void> {
  await context.supervisor.until(`${definition.metadata.name} is served`, async () => {
    return hasCondition(await api.send<Conditions>('GET', objectPath(definition)), 'Established');
  });
}

/**
 * The Pod is created once: it must not change, and a pod that is there serves as well after a
 * restart.
 */
async function ensurePod(api: SetupApi): Promise<void> {
  try {
    await retrying(() => api.send('POST', objectPath(GATEKEEPER_POD_OBJECT).replace(/\/[^/]+$/, ''), GATEKEEPER_POD_OBJECT));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
}

/**
 * Puts into the cluster all that Gatekeeper expects there, except what calls it: it does not run
 * yet.
 */
async function installGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const objects = objectsOf(context);
  await api.applyAll(objects.namespaces);
  await api.applyAll([...objects.definitions, ...objects.rights]);
  await ensurePod(api);
  await Promise.all(objects.definitions.map((definition) => established(context, api, definition)));
}

async function isGatekeeperReady(healthPort: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`, { signal: AbortSignal.timeout(20_000) });
  await response.body?.cancel();
  return response.ok;
}

/**
 * Waits until Gatekeeper is ready, points the API server to it, and waits until the API server asks
 * it.
 */
async function waitForGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const { supervisor, state } = context;
  await supervisor.until('Gatekeeper is ready', () => isGatekeeperReady(state.ports.gatekeeperHealth));
  await api.applyAll(objectsOf(context).webhooks);
  await supervisor.until('Gatekeeper answers the API server', () => isEnforcing(api));
}

const NODES_PER_REGION = ['a', 'b'];

/**
 * Nodes of a region, as a cloud's node controller would label them. Nothing runs on them: kwok
 * plays their kubelets. Their sizes are such that capacity never decides where a pod lands.
 */
function nodesOf(regions: readonly string[]): ApiObject[] {
  return regions.flatMap((region) =>
    NODES_PER_REGION.map((zone) => {
      const name = `${region.toLowerCase()}-${zone}`;
      const size = { cpu: '256', memory: '1Ti', 'ephemeral-storage': '1Ti', pods: '5000' };
      return {
        apiVersion: 'v1',
        kind: 'Node',
        metadata: {
          name,
          labels: {
            'kubernetes.io/hostname': name,
            'kubernetes.io/os': 'linux',
            'kubernetes.io/arch': 'amd64',
            'topology.kubernetes.io/region': region,
            'topology.kubernetes.io/zone': `${region}${zone}`,
          },
          annotations: { 'kwok.x-k8s.io/node': 'fake' },
        },
        status: { allocatable: size, capacity: size },
      };
    }),
  );
}

/**
 * Rights of kwok, after its own manifest: status of nodes and pods, leases of nodes, events; no
 * node's labels.
 */
const KWOK_RULES = [
  { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'list', 'watch'] },
  { apiGroups: [''], resources: ['nodes/status', 'pods/status'], verbs: ['patch', 'update'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['get', 'list', 'watch', 'patch', 'update', 'delete'] },
  { apiGroups: ['', 'events.k8s.io'], resources: ['events'], verbs: ['create', 'patch', 'update'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'list', 'watch', 'create', 'patch', 'update'] },
];

const RBAC = 'rbac.authorization.k8s.io';

const KWOK_RIGHTS: readonly ApiObject[] = [
  { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name: KWOK_USER }, rules: KWOK_RULES },
  {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: KWOK_USER },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: KWOK_USER },
    subjects: [{ apiGroup: RBAC, kind: 'User', name: KWOK_USER }],
  },
];

/** Waits until the API server takes requests. */
export async function apiReady({ supervisor }: Context, api: SetupApi): Promise<void> {
  await supervisor.until('the API server is ready', async () => (await api.send('GET', '/readyz')) === 'ok');
}

async function nodesReady(context: Context, api: SetupApi, count: number): Promise<void> {
  await context.supervisor.until('all nodes are Ready', async () => {
    const { items } = await api.send<{ items: Conditions[] }>('GET', '/api/v1/nodes');
    return items.filter((node) => hasCondition(node, 'Ready')).length >= count;
  });
}

async function startNodes(context: Context, api: SetupApi): Promise<void> {
  const nodes = nodesOf(context.state.regions);
  await api.applyAll(KWOK_RIGHTS);
  await Promise.all([context.supervisor.start('kwok'), api.applyAll(nodes)]);
  await nodesReady(context, api, nodes.length);
  context.log(`${nodes.length} nodes are Ready`);
}

async function startControllers({ paths, supervisor }: Context, api: SetupApi): Promise<void> {
  writeFileSync(join(paths.pki, 'scheduler.yaml'), JSON.stringify(schedulerConfiguration(paths)));
  await Promise.all([supervisor.start('controller-manager'), supervisor.start('scheduler')]);
  // Without it no pod can be created: the sign that the controllers work.
  await supervisor.until('the default ServiceAccount is there', async () => {
    await api.send('GET', '/api/v1/namespaces/default/serviceaccounts/default');
    return true;
  });
}

/** Installs Gatekeeper where it is not, and returns once it enforces. */
export async function startGatekeeper(context: Context, api: SetupApi): Promise<void> {
  context.state.gatekeeper = true;
  await installGatekeeper(context, api);
  await context.supervisor.start('gatekeeper');
  await waitForGatekeeper(context, api);
  context.log('Gatekeeper is ready');
}

/**
 * Waits for all parts, also when one fails, which makes the others give up: a caller that then ends
 * the cluster ends all of it, and nothing starts after that. Throws the first failure.
 */
async function allOrNone(parts: readonly Promise<void>[], giveUp: (reason: unknown) => void): Promise<void> {
  const failures: unknown[] = [];
  const note = (error: unknown): void => {
    failures.push(error);
    giveUp(error);
  };
  await Promise.all(parts.map((part) => part.catch(note)));
  if (failures.length > 0) throw failures[0];
}

/**
 * Starts what does not run, in the order in which one needs the other, and waits until all of it is
 * ready.
 */
export async function startAll(context: Context, api: SetupApi): Promise<void> {
  const { supervisor, state, log, giveUp } = context;
  await supervisor.start('etcd');
  // An API server that finds no store tries again after a second, then later and later.
  await supervisor.until('etcd listens', () => isListening(state.ports.etcd));
  await supervisor.start('apiserver');
  await apiReady(context, api);
  const { gitVersion } = await retrying(() => api.send<{ gitVersion: string }>('GET', '/version'));
  state.kubernetesVersion = gitVersion;
  log(`API server ${gitVersion} is ready at ${serverUrl(state)}`);
  const work = [startControllers(context, api), startNodes(context, api)];
  if (state.gatekeeper) work.push(startGatekeeper(context, api));
  await allOrNone(work, giveUp);
}
