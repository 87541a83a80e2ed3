import type { KubeObject } from '@fso/shared/api';
import { isConflict, isNotFound, type KubeClient } from '@fso/shared/kube';
import { covers, type Plain } from '../enforce/compare.ts';
import type { Action } from '../enforce/types.ts';

export interface ActionResult {
  /** Whether fields were taken back from another writer. */
  readonly tookOver: boolean;
  /** As the write left it; absent: it is gone. */
  readonly object?: KubeObject | undefined;
}

type WithSpec = KubeObject & { readonly spec?: Plain };

/**
 * Runs one action of a plan.
 *
 * A server-side apply goes out without force first. Everything that a plan writes is this system's own (its keys on
 * namespaces, its own objects), so a conflict means that someone else wrote there: then it is taken back, by force.
 *
 * @throws KubeApiError, KubeConnectionError; NotKeptError when the API server takes the write and leaves something of it out
 */
export const runAction = async (client: KubeClient, action: Action, signal: AbortSignal): Promise<ActionResult> => {
  if (action.type === 'delete') {
    await client.delete(action.kind, action.ref, signal);
    return { tookOver: false };
  }
  if (action.type === 'patch') return { tookOver: false, object: await runPatch(client, action, signal) };
  // Told already, or nobody's doing: a tool that applied what was there anyway is a co-owner.
  const force = action.reason === 'Drift' || action.reason === 'Upgrade';
  const apply = async (options: { force: boolean }): Promise<KubeObject> => {
    const { object } = await client.apply(action.kind, action.body, { fieldManager: action.fieldManager, ...options }, signal);
    assertKept(action, object);
    return object;
  };
  try {
    return { tookOver: false, object: await apply({ force }) };
  } catch (error) {
    if (force || !isConflict(error)) throw error;
    return { tookOver: true, object: await apply({ force: true }) };
  }
};

/** A write succeeded, and the object does not say what was written: its schema is not the one that this system installs. */
export class NotKeptError extends Error {
  constructor(key: string, fields: readonly string[]) {
    super(`the API server takes what is written to ${key} and leaves out ${fields.join(', ')}: the schema of the kind was changed`);
    this.name = 'NotKeptError';
  }
}

const assertKept = ({ key, body }: Extract<Action, { type: 'apply' }>, answer: WithSpec): void => {
  const { spec = {} }: WithSpec = body;
  const lost = Object.entries(spec).flatMap(([field, value]) => (covers(answer.spec?.[field], value) ? [] : `spec.${field}`));
  if (lost.length > 0) throw new NotKeptError(key, lost);
};

/** An object that went away meanwhile has nothing left to take away; the apply that follows makes it. */
const runPatch = async (
  client: KubeClient,
  { kind, ref, patch }: Extract<Action, { type: 'patch' }>,
  signal: AbortSignal,
): Promise<KubeObject | undefined> => {
  try {
    return (await client.mergePatch(kind, ref, patch, signal)).object;
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return undefined;
  }
};
