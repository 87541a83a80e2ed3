import { readFile } from 'node:fs/promises';
import { FIELD_MANAGERS, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  CRD_KIND,
  type CustomResourceDefinition,
  FLOOR_PARAMETERS_KIND,
  type Informer,
  type KindDescriptor,
  type KubeClient,
  NAMESPACE_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { type Clock, createBackoff, type Logger, untilAborted } from '@fso/shared/runtime';
import { parse } from 'yaml';

const CRD_FILES = ['sovereignpolicies', 'floorparameters'].map((plural) => new URL(`../crds/${plural}.yaml`, import.meta.url));
const KINDS: readonly KindDescriptor[] = [SOVEREIGN_POLICY_KIND, FLOOR_PARAMETERS_KIND];
const POLL_MS = 50;
const SERVED_WITHIN_MS = 30_000;

const OPTIONS = { fieldManager: FIELD_MANAGERS.install, force: true } as const;

/**
 * Puts in place what the agent stands on: its namespace, and its CRDs at this version's schemas. Returns once the API
 * server serves the kinds.
 *
 * @throws KubeApiError, e.g. with status 403 when the agent has no rights
 */
export const bootstrapCluster = async (client: KubeClient, clock: Clock, signal: AbortSignal): Promise<void> => {
  for (const file of CRD_FILES) {
    const crd = parse(await readFile(file, 'utf8')) as CustomResourceDefinition;
    await client.apply(CRD_KIND, crd, OPTIONS, signal);
  }
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
    if ((error as { status?: number }).status === 404) return false;
    throw error;
  }
};

export interface KeepInstalledOptions {
  readonly client: KubeClient;
  /** Of a kind that {@link bootstrapCluster} installs. */
  readonly informer: Pick<Informer<KubeObject>, 'served' | 'onServed'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** The kind cannot be read: people should know. */
  readonly onGone: () => void;
  /** It can be read again. */
  readonly onBack: () => void;
}

/** Puts a CRD back whenever the API server no longer serves it, until the signal aborts. */
export const keepInstalled = async (options: KeepInstalledOptions, signal: AbortSignal): Promise<void> => {
  const { informer } = options;
  let restoring: Promise<void> | undefined;
  const onServed = (served: boolean): void => {
    if (served || restoring !== undefined || signal.aborted) return;
    options.onGone();
    restoring = restore(options, signal).finally(() => {
      restoring = undefined;
    });
  };
  const stop = informer.onServed(onServed);
  onServed(informer.served);
  await untilAborted(signal);
  stop();
  await restoring;
};

/** Never rejects. A CRD that is being deleted takes the write and goes all the same: then it is written again. */
const restore = async ({ client, informer, clock, random, logger, onBack }: KeepInstalledOptions, signal: AbortSignal): Promise<void> => {
  const backoff = createBackoff({ baseMs: 1_000, maxMs: 30_000, minMs: 200, random });
  while (!informer.served && !signal.aborted) {
    try {
      await bootstrapCluster(client, clock, signal);
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, 'a custom kind cannot be put back');
    }
    await clock.sleep(backoff.next(), signal).catch(() => undefined);
  }
  if (!signal.aborted) onBack();
};
