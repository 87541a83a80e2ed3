import { FIELD_MANAGERS, type SovereignPolicy } from '@fso/shared/api';
import { type KubeClient, SOVEREIGN_POLICY_KIND } from '@fso/shared/kube';
import { forEachConcurrent } from './concurrency.ts';
import type { LivePolicies } from './live-policies.ts';
import type { WriteAction } from './plan-writes.ts';

const CONCURRENCY = 16;

export interface WriteContext {
  readonly client: KubeClient;
  readonly live: LivePolicies;
  /** Once aborted, nothing more is started; what runs is finished, so that its outcome is known. */
  readonly superseded: AbortSignal;
}

/**
 * Runs a plan: first the applies, then, if all of them went well, the deletes. Own writes are noted in `live`.
 *
 * @returns what the failed ones threw
 */
export const applyWrites = async (
  actions: readonly WriteAction[],
  { client, live, superseded }: WriteContext,
  signal: AbortSignal,
): Promise<readonly unknown[]> => {
  const stop = AbortSignal.any([signal, superseded]);
  const run = (type: WriteAction['type']): Promise<readonly unknown[]> =>
    forEachConcurrent(
      actions.filter((action) => action.type === type),
      CONCURRENCY,
      (action) => write(action, { client, live }, signal),
      stop,
    );
  const failed = await run('apply');
  return failed.length > 0 || stop.aborted ? failed : run('delete');
};

const write = async (action: WriteAction, { client, live }: Omit<WriteContext, 'superseded'>, signal: AbortSignal): Promise<void> => {
  if (action.type === 'delete') {
    const { namespace, name } = action.live.metadata;
    await client.delete(SOVEREIGN_POLICY_KIND, { ...(namespace === undefined ? {} : { namespace }), name }, signal);
    live.deleted(action.key, action.live);
    return;
  }
  live.applied(action.key, await applyPolicy(action.body, client, signal));
};

/** Force: in the agent's own namespace the hub's word counts, whoever changed a field. */
const applyPolicy = async (body: SovereignPolicy, client: KubeClient, signal: AbortSignal): Promise<SovereignPolicy> => {
  const { object } = await client.apply(SOVEREIGN_POLICY_KIND, body, { fieldManager: FIELD_MANAGERS.intake, force: true }, signal);
  const foreign = Object.keys(object.spec).filter((field) => !(field in body.spec));
  if (foreign.length === 0) return object;
  // Server-side apply leaves fields that another manager added; here they could open the policy (excludedNamespaces).
  const patch = { spec: Object.fromEntries(foreign.map((field) => [field, null])) };
  const { namespace = '', name } = body.metadata;
  return (await client.mergePatch(SOVEREIGN_POLICY_KIND, { namespace, name }, patch, signal)).object;
};
