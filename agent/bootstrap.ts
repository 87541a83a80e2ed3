import { readFile } from 'node:fs/promises';
import { FIELD_MANAGERS, LABELS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  ADMISSION_POLICY_KIND,
  API_SERVICE_KIND,
  type ApiService,
  CRD_KIND,
  type CustomResourceDefinition,
  FLOOR_PARAMETERS_KIND,
  isNotFound,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { parse } from 'yaml';
import { runAction } from './apply/index.ts';
import type { AgentConfig } from './config.ts';
import { planAdoption, planApiServices, type Trust } from './enforce/index.ts';

const KINDS: readonly KindDescriptor[] = [SOVEREIGN_POLICY_KIND, FLOOR_PARAMETERS_KIND];
const POLL_MS = 50;
const SERVED_WITHIN_MS = 30_000;

const OPTIONS = { fieldManager: FIELD_MANAGERS.install, force: true } as const;

/** Reads the CRDs of this system with this version's schemas, in the order of KINDS. */
export const readDefinitions = (): Promise<CustomResourceDefinition[]> =>
  Promise.all(
    KINDS.map(
      async ({ plural }) => parse(await readFile(new URL(`../crds/${plural}.yaml`, import.meta.url), 'utf8')) as CustomResourceDefinition,
    ),
  );

/**
 * Installs the objects that the agent relies on: its namespace, and the CRDs of kinds that the API
 * server does not serve. Only the leader writes the schemas of served kinds; otherwise an older
 * leader and a newer replica would fight. Returns once the kinds are served.
 *
 * @throws KubeApiError, e.g. with status 403 if the agent has no rights
 */
export const bootstrapCluster = async (client: KubeClient, clock: Clock, signal: AbortSignal): Promise<void> => {
  await restoreApis(client, signal);
  await installMissing(client, signal);
  await client.apply(NAMESPACE_KIND, { metadata: { name: SYSTEM_NAMESPACE } }, OPTIONS, signal);
  const deadline = clock.monotonicMs() + SERVED_WITHIN_MS;
  for (const kind of KINDS) {
    while (!(await isServed(client, kind, signal))) {
      if (clock.monotonicMs() > deadline) throw new Error(`the ${kind.kind} kind is installed but not served`);
      await clock.sleep(POLL_MS, signal);
    }
  }
};

/**
 * Lists the APIServices. An API server without the aggregator has none, and cannot be replaced by a
 * service.
 */
const listApis = async (client: KubeClient, signal: AbortSignal): Promise<readonly ApiService[]> => {
  try {
    return await client.list(API_SERVICE_KIND, {}, signal);
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
};

/**
 * Deletes redirected APIServices, because the agent would trust their service from the first list
 * on.
 */
const restoreApis = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const actions = planApiServices(await listApis(client, signal));
  for (const { key, kind, ref } of actions.filter((action) => action.type === 'delete')) {
    await client.delete(kind, ref, signal);
    throw new Error(`${key} pointed to a service and was deleted: the API server creates it again`);
  }
};

const installMissing = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
  const definitions = await readDefinitions();
  for (const [index, kind] of KINDS.entries()) {
    const definition = definitions[index];
    if (definition !== undefined && !(await isServed(client, kind, signal))) await client.apply(CRD_KIND, definition, OPTIONS, signal);
  }
};

/**
 * Writes this agent's user name into the existing guard. The guard cannot refuse that, as admission
 * policies are exempt from admission. Otherwise an agent with a new user name could not even write
 * the lease and its CRDs.
 *
 * @throws KubeApiError, KubeConnectionError
 */
export const adoptGuard = async (client: KubeClient, trust: Trust, signal: AbortSignal): Promise<void> => {
  const present = await client.list(ADMISSION_POLICY_KIND, { labelSelector: `${LABELS.component}=guard` }, signal);
  for (const action of planAdoption(present, trust)) await runAction(client, action, signal);
};

/**
 * Reads the user name of this agent at the API server.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
 */
export const whoAmI = async (client: KubeClient, signal: AbortSignal): Promise<string> => {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { object } = await client.raw<SelfSubjectReview>({ method: 'POST', path, body }, signal);
  const username = object.status?.userInfo?.username;
  if (username === undefined) throw new Error('the API server does not return the user name of this agent');
  return username;
};

interface SelfSubjectReview {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}

const isServed = async (client: KubeClient, { apiVersion, plural }: KindDescriptor, signal: AbortSignal): Promise<boolean> => {
  try {
    const path = `/apis/${apiVersion}/${plural}`;
    await client.raw({ method: 'GET', path, query: { limit: '1' } }, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};

/**
 * Returns whom the locks and guards trust. The agent is never a trusted binder, as it proves the
 * bind gate by the refusal of its own bindings.
 */
export const trustOf = ({ trustedBinders, trustedNodeLabelers, gatekeeperNamespace }: AgentConfig, agent: string): Trust => ({
  agent,
  binders: trustedBinders.filter((name) => name !== agent),
  nodeLabelers: trustedNodeLabelers,
  gatekeeperNamespace,
});
