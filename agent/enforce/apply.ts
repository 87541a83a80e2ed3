import { isConflict, isNotFound, type KubeClient } from '@fso/shared/kube';
import type { Action } from './types.ts';

/**
 * Runs one action of a plan.
 *
 * A server-side apply goes out without force first. Everything that a plan writes is this system's own (its keys on
 * namespaces, its own objects), so a conflict means that someone else wrote there: then it is taken back, by force.
 *
 * @returns whether fields were taken back from another writer.
 * @throws KubeApiError, KubeConnectionError
 */
export const runAction = async (client: KubeClient, action: Action, signal: AbortSignal): Promise<{ tookOver: boolean }> => {
  if (action.type === 'delete') {
    await client.delete(action.kind, action.ref, signal);
    return { tookOver: false };
  }
  if (action.type === 'patch') {
    await runPatch(client, action, signal);
    return { tookOver: false };
  }
  // Told already, or nobody's doing: a tool that applied what was there anyway is a co-owner.
  const force = action.reason === 'Drift' || action.reason === 'Upgrade';
  try {
    await client.apply(action.kind, action.body, { fieldManager: action.fieldManager, force }, signal);
    return { tookOver: false };
  } catch (error) {
    if (force || !isConflict(error)) throw error;
    await client.apply(action.kind, action.body, { fieldManager: action.fieldManager, force: true }, signal);
    return { tookOver: true };
  }
};

/** An object that went away meanwhile has nothing left to take away; the apply that follows makes it. */
const runPatch = async (
  client: KubeClient,
  { kind, ref, patch }: Extract<Action, { type: 'patch' }>,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await client.mergePatch(kind, ref, patch, signal);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
};
