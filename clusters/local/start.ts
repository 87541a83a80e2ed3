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
 * Creates Gatekeeper's Pod if it is missing. It must not change, and can be reused after a restart.
 */
async function ensurePod(api: SetupApi): Promise<void> {
  try {
    await retrying(() => api.send('POST', objectPath(GATEKEEPER_POD_OBJECT).replace(/\/[^/]+$/, ''), GATEKEEPER_POD_OBJECT));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
}

/**
 * Installs all objects that Gatekeeper expects in the cluster, except the webhooks that call it,
 * because it does not run yet.
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
 * Waits until Gatekeeper is ready, registers its webhooks, and waits until the API server calls
 * them.
 */
async function waitForGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const { supervisor, state } = context;
  await supervisor.until('Gatekeeper is ready', () => isGatekeeperReady(state.ports.gatekeeperHealth));
  await api.applyAll(objectsOf(context).webhooks);
  await supervisor.until('Gatekeeper answers the API server', () => isEnforcing(api));
}

const NODES_PER_REGION = ['a', 'b'];

/**
 * Nodes of a region, labelled as by a cloud's node controller. kwok simulates their kubelets. They
 * are large enough that capacity never decides where a pod is scheduled.
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
 * Rights of kwok, as in its own manifest: status of nodes and pods, leases of nodes, events; no
 * labels of nodes.
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

/** Waits until the API server accepts requests. */
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
  // No pod can be created without it, so it shows that the controllers work.
  await supervisor.until('the default ServiceAccount is there', async () => {
    await api.send('GET', '/api/v1/namespaces/default/serviceaccounts/default');
    return true;
  });
}

/** Installs Gatekeeper if it is missing, and returns once it enforces. */
export async function startGatekeeper(context: Context, api: SetupApi): Promise<void> {
  context.state.gatekeeper = true;
  await installGatekeeper(context, api);
  await context.supervisor.start('gatekeeper');
  await waitForGatekeeper(context, api);
  context.log('Gatekeeper is ready');
}

/**
 * Waits for all parts, even if one fails, which aborts the others. A caller that then ends the
 * cluster ends all of it, and nothing starts afterwards. Throws the first failure.
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
 * Starts the programs that do not run, in the order of their dependencies, and waits until all are
 * ready.
 */
export async function startAll(context: Context, api: SetupApi): Promise<void> {
  const { supervisor, state, log, giveUp } = context;
  await supervisor.start('etcd');
  // Without etcd, the API server would retry with increasing delays.
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
