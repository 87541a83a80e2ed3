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
import type { Trust } from './enforce/index.ts';
import { planAdoption, planApiServices } from './enforce/index.ts';

const KINDS: readonly KindDescriptor[] = [SOVEREIGN_POLICY_KIND, FLOOR_PARAMETERS_KIND];
const POLL_MS = 50;
const SERVED_WITHIN_MS = 30_000;

const OPTIONS = { fieldManager: FIELD_MANAGERS.install, force: true } as const;

/** The CRDs of this system, at this version's schemas, in the order of KINDS. */
export const readDefinitions = (): Promise<CustomResourceDefinition[]> =>
  Promise.all(
    KINDS.map(
      async ({ plural }) => parse(await readFile(new URL(`../crds/${plural}.yaml`, import.meta.url), 'utf8')) as CustomResourceDefinition,
    ),
  );

/**
 * Puts in place what the agent stands on: its namespace, and the CRDs of kinds that the API server does not serve. Schemas of
 * kinds that it serves are the leader's, or an older leader and a newer replica would fight. Returns once the kinds are served.
 *
 * @throws KubeApiError, e.g. with status 403 when the agent has no rights
 */
export const bootstrapCluster = async (client: KubeClient, clock: Clock, signal: AbortSignal): Promise<void> => {
  await takeBackApis(client, signal);
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

/** An API server without the aggregator knows no APIServices: no service can answer in its place there. */
const listApis = async (client: KubeClient, signal: AbortSignal): Promise<readonly ApiService[]> => {
  try {
    return await client.list(API_SERVICE_KIND, {}, signal);
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
};

/** A service that answers in the API server's place would be believed from the first list on. */
const takeBackApis = async (client: KubeClient, signal: AbortSignal): Promise<void> => {
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
 * Writes this agent's user name into the existing guard. An agent with another user name than the one before could write nothing
 * else, not even the lease and its CRDs; admission policies are exempt from admission.
 *
 * @throws KubeApiError, KubeConnectionError
 */
export const adoptGuard = async (client: KubeClient, trust: Trust, signal: AbortSignal): Promise<void> => {
  const present = await client.list(ADMISSION_POLICY_KIND, { labelSelector: `${LABELS.component}=guard` }, signal);
  for (const action of planAdoption(present, trust)) await runAction(client, action, signal);
};

/**
 * The user name under which the API server knows this agent.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#self-subject-review
 */
export const whoAmI = async (client: KubeClient, signal: AbortSignal): Promise<string> => {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { object } = await client.raw<SelfSubjectReview>({ method: 'POST', path, body }, signal);
  const username = object.status?.userInfo?.username;
  if (username === undefined) throw new Error('the API server does not say who this agent is');
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
