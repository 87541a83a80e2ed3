import { readFile } from 'node:fs/promises';
import { API_VERSION, FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CRD_KIND, type CustomResourceDefinition, type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
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
