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
import { programFile } from './commands.ts';
import { GATEKEEPER_POD_OBJECT, type GatekeeperObjects, gatekeeperObjects } from './gatekeeper-manifest.ts';
import { readPair } from './pki/pki.ts';
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
export async function installGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const objects = objectsOf(context);
  await api.applyAll(objects.namespaces);
  await api.applyAll([...objects.definitions, ...objects.rights]);
  await ensurePod(api);
  await Promise.all(objects.definitions.map((definition) => established(context, api, definition)));
}

export async function isGatekeeperReady(healthPort: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`, { signal: AbortSignal.timeout(20_000) });
  await response.body?.cancel();
  return response.ok;
}

/**
 * Waits until Gatekeeper is ready, points the API server to it, and waits until the API server asks
 * it.
 */
export async function waitForGatekeeper(context: Context, api: SetupApi): Promise<void> {
  const { supervisor, state } = context;
  await supervisor.until('Gatekeeper is ready', () => isGatekeeperReady(state.ports.gatekeeperHealth));
  await api.applyAll(objectsOf(context).webhooks);
  await supervisor.until('Gatekeeper answers the API server', () => isEnforcing(api));
}
