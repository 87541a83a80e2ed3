import { FIELD_MANAGERS, type SovereignPolicy } from '@fso/shared/api';
import { isNotFound, type KubeClient, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { mapConcurrently } from '@fso/shared/runtime';
import type { WriteAction } from '../enforce/index.ts';
import type { LivePolicies } from './live-policies.ts';

const CONCURRENCY = 16;

export interface WriteContext {
  readonly client: KubeClient;
  readonly live: LivePolicies;
  /** Once aborted, nothing more is started; what runs is finished, so that its outcome is known. */
  readonly superseded: AbortSignal;
}

/**
 * Runs a plan: first the releases, then the applies, then, if all of them went well, the deletes. Own writes are noted in `live`.
 *
 * @returns what the failed ones threw
 */
export const applyWrites = async (
  actions: readonly WriteAction[],
  { client, live, superseded }: WriteContext,
  signal: AbortSignal,
): Promise<readonly unknown[]> => {
  const stop = AbortSignal.any([signal, superseded]);
  // All are tried, whatever fails.
  const attempt = async (action: WriteAction): Promise<readonly unknown[]> => {
    if (stop.aborted) return [];
    try {
      await write(action, { client, live }, signal);
      return [];
    } catch (error) {
      return [error];
    }
  };
  const run = async (type: WriteAction['type']): Promise<readonly unknown[]> => {
    const ofType = actions.filter((action) => action.type === type);
    return (await mapConcurrently(ofType, CONCURRENCY, attempt)).flat();
  };
  const failed = [...(await run('release')), ...(await run('apply'))];
  return failed.length > 0 || stop.aborted ? failed : run('delete');
};

const write = async (action: WriteAction, { client, live }: Omit<WriteContext, 'superseded'>, signal: AbortSignal): Promise<void> => {
  if (action.type === 'release') {
    await release(action.live, client, signal);
    live.deleted(action.key, action.live);
    return;
  }
  if (action.type === 'delete') {
    const { namespace, name } = action.live.metadata;
    await client.delete(SOVEREIGN_POLICY_KIND, { ...(namespace === undefined ? {} : { namespace }), name }, signal);
    live.deleted(action.key, action.live);
    return;
  }
  live.applied(action.key, await applyPolicy(action.body, client, signal));
};

/**
 * Removes the finalizers of a policy that is being deleted. The uid pins the object, whatever its version is now: a deletion is never
 * taken back, and no finalizer is added after it.
 */
const release = async ({ metadata }: SovereignPolicy, client: KubeClient, signal: AbortSignal): Promise<void> => {
  const { namespace = '', name, uid } = metadata;
  try {
    await client.mergePatch(SOVEREIGN_POLICY_KIND, { namespace, name }, { metadata: { uid, finalizers: null } }, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
};

/** Applies by force: in the agent's own namespace the hub decides, whichever writer changed a field. */
const applyPolicy = async (body: SovereignPolicy, client: KubeClient, signal: AbortSignal): Promise<SovereignPolicy> => {
  const { object } = await client.apply(SOVEREIGN_POLICY_KIND, body, { fieldManager: FIELD_MANAGERS.intake, force: true }, signal);
  const foreign = Object.keys(object.spec).filter((field) => !(field in body.spec));
  if (foreign.length === 0) return object;
  // Server-side apply leaves fields that another manager added; here they could open the policy (excludedNamespaces).
  const patch = { spec: Object.fromEntries(foreign.map((field) => [field, null])) };
  const { namespace = '', name } = body.metadata;
  return (await client.mergePatch(SOVEREIGN_POLICY_KIND, { namespace, name }, patch, signal)).object;
};
