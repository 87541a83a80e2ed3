import { ANNOTATIONS, FINALIZER, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { type KindDescriptor, KubeApiError, type KubeClient, NAMESPACE_KIND, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { systemClock } from '@fso/shared/runtime';
import { describe, expect, it } from 'vitest';
import { injectionKinds } from '../enforce/index.ts';
import { stepsOf } from './removals.ts';
import { requestUninstall } from './uninstall-request.ts';

const never = new AbortController().signal;
const missing = (): Promise<never> =>
  Promise.reject(
    new KubeApiError(404, { message: `namespaces "${SYSTEM_NAMESPACE}" not found` } as never, {
      request: { method: 'PATCH', path: '' } as never,
    }),
  );
const NAMESPACE: KubeObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: SYSTEM_NAMESPACE } };

/**
 * A cluster whose namespace of agents is gone from the given request about it on: reads and writes,
 * counted together.
 */
const goneFrom = (request: number) => {
  let requests = 0;
  let namespace = NAMESPACE;
  const client = {
    get: async (kind: KindDescriptor) => {
      if (kind !== NAMESPACE_KIND) return undefined;
      requests += 1;
      return requests >= request ? undefined : namespace;
    },
    mergePatch: async (_kind: KindDescriptor, _ref: unknown, { metadata }: { metadata: object }) => {
      requests += 1;
      if (requests >= request) return missing();
      namespace = { ...namespace, metadata: { ...namespace.metadata, ...metadata } };
      return { object: namespace, warnings: [] };
    },
  } as unknown as KubeClient;
  return { client, requests: () => requests };
};

describe('a namespace of agents that goes while they are asked to end', () => {
  const ask = (client: KubeClient, waitMs: number): Promise<string> =>
    requestUninstall({ client, clock: systemClock, user: 'admin', waitMs }, never);

  it('is written to twice where no agent answers', async () => {
    const cluster = goneFrom(Number.POSITIVE_INFINITY);
    expect([await ask(cluster.client, 0), cluster.requests()]).toEqual(['NoAgent', 3]);
  });

  it.each([
    ['before it is read', 1, 0],
    ['between reading it and asking in it', 2, 0],
    ['before it is said that there is no agent', 3, 0],
    ['while the report of an agent is waited for', 3, 60_000],
  ])('means that there is no agent: %s', async (_, request, waitMs) => {
    const cluster = goneFrom(request);
    expect([await ask(cluster.client, waitMs), cluster.requests()]).toEqual(['NoAgent', request]);
  });

  it('does not excuse another error', async () => {
    const denied = { ...goneFrom(9).client, mergePatch: () => Promise.reject(new Error('denied')) } as unknown as KubeClient;
    await expect(ask(denied, 0)).rejects.toThrow('denied');
  });
});

describe('writes before the removal', () => {
  const policy: KubeObject = {
    apiVersion: SOVEREIGN_POLICY_KIND.apiVersion,
    kind: 'SovereignPolicy',
    metadata: { namespace: SYSTEM_NAMESPACE, name: 'finance', uid: '1', finalizers: [FINALIZER] },
  };
  const recorded: KubeObject = { ...NAMESPACE, metadata: { ...NAMESPACE.metadata, annotations: { [ANNOTATIONS.installed]: '{}' } } };

  /** @param applied whether the status can still be written */
  const steps = (applied: boolean) =>
    stepsOf({
      client: {
        list: async (kind: KindDescriptor) => (kind === SOVEREIGN_POLICY_KIND ? [policy] : []),
        get: async () => recorded,
        apply: () => (applied ? Promise.resolve({ object: policy, warnings: [] }) : missing()),
        mergePatch: missing,
      } as unknown as KubeClient,
      kinds: injectionKinds('v1'),
      user: 'admin',
      now: () => new Date(0),
    });

  it.each([
    ['the status of a policy', 'release the SovereignPolicies', false],
    ['the finalizers of a policy', 'release the SovereignPolicies', true],
    ['the record of the installation', 'clear the record of the installation', true],
  ])('succeed with: %s', async (_, title, applied) => {
    const step = steps(applied).find((one) => one.title === title);
    const removals = (await step?.find(never)) ?? [];
    expect(removals).toHaveLength(1);
    for (const removal of removals) await expect(removal.run(never)).resolves.toBeUndefined();
  });
});
