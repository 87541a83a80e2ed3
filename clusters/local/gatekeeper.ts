import { ApiError, type ApiObject, objectPath, readManifest, retrying, type SetupApi } from './api.ts';
import { programFile, type ToolFolders } from './commands.ts';
import { GATEKEEPER_POD_OBJECT, type GatekeeperObjects, gatekeeperObjects } from './gatekeeper-manifest.ts';
import { readPair } from './pki/pki.ts';
import type { ClusterPaths, ClusterState } from './state.ts';
import type { Supervisor } from './supervisor.ts';

interface Context {
  readonly paths: ClusterPaths;
  readonly state: ClusterState;
  readonly tools: ToolFolders;
  readonly supervisor: Supervisor;
}

const applyAll = async (api: SetupApi, objects: readonly ApiObject[]): Promise<void> => {
  await Promise.all(objects.map((object) => api.apply(objectPath(object), object)));
};

function objectsOf({ paths, state, tools }: Context): GatekeeperObjects {
  const manifest = readManifest(programFile({ tools }, 'gatekeeper', 'gatekeeper.yaml'));
  return gatekeeperObjects(manifest, state.ports.webhook, readPair(paths.pki, 'ca').certificate);
}

interface Definition {
  readonly status?: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

async function established(context: Context, api: SetupApi, definition: ApiObject): Promise<void> {
  await context.supervisor.until(`${definition.metadata.name} is served`, async () => {
    const { status } = await api.send<Definition>('GET', objectPath(definition));
    return status?.conditions?.some((condition) => condition.type === 'Established' && condition.status === 'True') ?? false;
  });
}

/** The Pod is created once: it must not change, and a pod that is there serves as well after a restart. */
async function ensurePod(api: SetupApi): Promise<void> {
  try {
    await retrying(() => api.send('POST', objectPath(GATEKEEPER_POD_OBJECT).replace(/\/[^/]+$/, ''), GATEKEEPER_POD_OBJECT));
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 409)) throw error;
  }
}

/** Puts into the cluster all that Gatekeeper expects there, except what calls it: it does not run yet. */
export async function installGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const objects = objectsOf(context);
  await applyAll(api, objects.namespaces);
  await applyAll(api, [...objects.definitions, ...objects.rights]);
  await ensurePod(api);
  await Promise.all(objects.definitions.map((definition) => established(context, api, definition)));
}

/**
 * Label that Gatekeeper refuses on any namespace but its own: a dry run of it shows that the
 * webhook is called.
 */
const FORBIDDEN_NAMESPACE: ApiObject = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'fso-fleet-gatekeeper-probe', labels: { 'admission.gatekeeper.sh/ignore': 'probe' } },
};

async function isEnforcing(api: SetupApi): Promise<boolean> {
  try {
    await api.send('POST', '/api/v1/namespaces?dryRun=All', FORBIDDEN_NAMESPACE);
    return false;
  } catch (error) {
    if (error instanceof ApiError && error.message.includes('denied the request')) return true;
    throw error;
  }
}

export async function isGatekeeperReady(healthPort: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`, { signal: AbortSignal.timeout(20_000) });
  await response.body?.cancel();
  return response.ok;
}

/** Waits until Gatekeeper is ready, points the API server to it, and waits until the API server asks it. */
export async function waitForGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const { supervisor, state } = context;
  await supervisor.until('Gatekeeper is ready', () => isGatekeeperReady(state.ports.gatekeeperHealth));
  await applyAll(api, objectsOf(context).webhooks);
  await supervisor.until('Gatekeeper answers the API server', () => isEnforcing(api));
}
