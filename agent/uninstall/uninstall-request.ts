import { AGENT_LEASE, ANNOTATIONS, SYSTEM_NAMESPACE, type UninstallReport } from '@fso/shared/api';
import { isNotFound, type KubeClient, LEASE_KIND, type Lease, NAMESPACE_KIND } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';
import { readUninstallRequest } from '../plan/index.ts';

interface RequestDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly user: string;
  /** Longest wait for a running agent, in ms. */
  readonly waitMs: number;
}

const POLL_MS = 200;
const NAMESPACE = { name: SYSTEM_NAMESPACE };

/**
 * Requests that the agents of the cluster stop enforcing, and waits until the leader has reported
 * that to its hub.
 *
 * @throws Error if a running agent does not answer, as it would restore everything
 */
export const requestUninstall = async (deps: RequestDeps, signal: AbortSignal): Promise<UninstallReport> => {
  const { client, clock, user, waitMs } = deps;
  const namespace = await client.get(NAMESPACE_KIND, NAMESPACE, signal);
  if (namespace === undefined) return 'NoAgent';
  const before = readUninstallRequest(namespace);
  if (before?.report !== undefined) return before.report;
  const request = { [ANNOTATIONS.uninstallRequestedBy]: user, [ANNOTATIONS.uninstallReport]: null };
  if (before === undefined && !(await annotate(client, request, signal))) return 'NoAgent';
  const lease = await readLease(client, signal);
  const deadline = clock.monotonicMs() + waitMs;
  while (clock.monotonicMs() < deadline) {
    const present = await client.get(NAMESPACE_KIND, NAMESPACE, signal);
    if (present === undefined) return 'NoAgent';
    const report = readUninstallRequest(present)?.report;
    if (report !== undefined) return report;
    await clock.sleep(POLL_MS, signal);
  }
  assertNoLeader(lease, await readLease(client, signal));
  // An agent that starts from now on leaves the cluster alone.
  await annotate(client, { [ANNOTATIONS.uninstallReport]: 'NoAgent' }, signal);
  return 'NoAgent';
};

/** @returns false if the namespace is gone, and all agents with it */
const annotate = async (
  client: KubeClient,
  annotations: Readonly<Record<string, string | null>>,
  signal: AbortSignal,
): Promise<boolean> => {
  try {
    await client.mergePatch(NAMESPACE_KIND, NAMESPACE, { metadata: { annotations } }, signal);
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
};

const readLease = (client: KubeClient, signal: AbortSignal): Promise<Lease | undefined> =>
  client.get(LEASE_KIND, { namespace: SYSTEM_NAMESPACE, name: AGENT_LEASE }, signal);

/** Throws if a leader has renewed its lease, which it does several times during the wait. */
const assertNoLeader = (before: Lease | undefined, now: Lease | undefined): void => {
  const holder = now?.spec?.holderIdentity ?? '';
  if (holder === '' || now?.metadata.resourceVersion === before?.metadata.resourceVersion) return;
  throw new Error(
    `the agent ${holder} runs, and does not answer; stop it ("kubectl -n ${SYSTEM_NAMESPACE} scale deployment fso-agent --replicas=0"), and run this again`,
  );
};
