import { readFile } from 'node:fs/promises';
import { API_VERSION, FIELD_MANAGERS, type SovereignPolicy, SYSTEM_NAMESPACE } from '@fso/shared/api';
import {
  CRD_KIND,
  type CustomResourceDefinition,
  type Informer,
  type KubeClient,
  NAMESPACE_KIND,
  SOVEREIGN_POLICY_KIND,
} from '@fso/shared/kube';
import { type Clock, createBackoff, type Logger, untilAborted } from '@fso/shared/runtime';
import { parse } from 'yaml';

const CRD_FILE = new URL('../crds/sovereignpolicies.yaml', import.meta.url);
const POLL_MS = 50;
const SERVED_WITHIN_MS = 30_000;

const OPTIONS = { fieldManager: FIELD_MANAGERS.install, force: true } as const;

/**
 * Puts in place what the agent stands on: its namespace, and the SovereignPolicy CRD at this version's schema. Returns once
 * the API server serves the kind.
 *
 * @throws KubeApiError, e.g. with status 403 when the agent has no rights
 */
export const bootstrapCluster = async (client: KubeClient, clock: Clock, signal: AbortSignal): Promise<void> => {
  const crd = parse(await readFile(CRD_FILE, 'utf8')) as CustomResourceDefinition;
  await client.apply(CRD_KIND, crd, OPTIONS, signal);
  await client.apply(NAMESPACE_KIND, { metadata: { name: SYSTEM_NAMESPACE } }, OPTIONS, signal);
  const deadline = clock.monotonicMs() + SERVED_WITHIN_MS;
  while (!(await isServed(client, signal))) {
    if (clock.monotonicMs() > deadline) throw new Error('the SovereignPolicy kind is installed but not served');
    await clock.sleep(POLL_MS, signal);
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

const isServed = async (client: KubeClient, signal: AbortSignal): Promise<boolean> => {
  try {
    const path = `/apis/${API_VERSION}/${SOVEREIGN_POLICY_KIND.plural}`;
    await client.raw({ method: 'GET', path, query: { limit: '1' } }, signal);
    return true;
  } catch (error) {
    if ((error as { status?: number }).status === 404) return false;
    throw error;
  }
};

export interface KeepInstalledOptions {
  readonly client: KubeClient;
  readonly policies: Pick<Informer<SovereignPolicy>, 'served' | 'onServed'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  /** The kind cannot be read: people should know. */
  readonly onGone: () => void;
}

/** Puts the CRD back whenever the API server no longer serves it, until the signal aborts. */
export const keepInstalled = async (options: KeepInstalledOptions, signal: AbortSignal): Promise<void> => {
  const { policies } = options;
  let restoring: Promise<void> | undefined;
  const onServed = (served: boolean): void => {
    if (served || restoring !== undefined || signal.aborted) return;
    options.onGone();
    restoring = restore(options, signal).finally(() => {
      restoring = undefined;
    });
  };
  const stop = policies.onServed(onServed);
  onServed(policies.served);
  await untilAborted(signal);
  stop();
  await restoring;
};

/** Never rejects. A CRD that is being deleted takes the write and goes all the same: then it is written again. */
const restore = async ({ client, policies, clock, random, logger }: KeepInstalledOptions, signal: AbortSignal): Promise<void> => {
  const backoff = createBackoff({ baseMs: 1_000, maxMs: 30_000, minMs: 200, random });
  while (!policies.served && !signal.aborted) {
    try {
      await bootstrapCluster(client, clock, signal);
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, 'the SovereignPolicy kind cannot be put back');
    }
    await clock.sleep(backoff.next(), signal).catch(() => undefined);
  }
};
