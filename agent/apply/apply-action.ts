import type { KubeObject } from '@fso/shared/api';
import { isConflict, isNotFound, type KindDescriptor, type KubeClient } from '@fso/shared/kube';
import { covers, type Plain } from '../compare.ts';
import { type Action, COMMIT_REASON } from '../enforce/index.ts';

/** Result of writing one planned action to the API server. */
export interface ActionResult {
  /** Whether the apply took fields over from another writer. */
  readonly tookOver: boolean;
  /** Object after the write; absent if it is gone. */
  readonly object?: KubeObject | undefined;
}

/**
 * Reasons whose writes are forced at once. Their conflicts are already reported as repairs, or
 * caused by a tool that applied the same values and so became a co-owner.
 */
const FORCED: ReadonlySet<string> = new Set(['Drift', 'Upgrade', COMMIT_REASON]);

type WithSpec = KubeObject & { readonly spec?: Plain };

/**
 * Runs one action of a plan.
 *
 * A server-side apply is first sent without force. Everything that a plan writes belongs to this
 * system (its keys on namespaces, its own objects). So a conflict means that another writer changed
 * it, and the apply is repeated with force.
 *
 * @throws KubeApiError, KubeConnectionError; NotKeptError if the API server accepts the write and
 * drops a part of it
 */
export const runAction = async (client: KubeClient, action: Action, signal: AbortSignal): Promise<ActionResult> => {
  if (action.type === 'delete') {
    await client.delete(action.kind, action.ref, signal);
    return { tookOver: false };
  }
  if (action.type === 'patch') return { tookOver: false, object: await runPatch(client, action, signal) };
  const force = FORCED.has(action.reason);
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

/**
 * Error for a write that succeeded without all of its fields: the schema of the kind is not the one
 * that this system installs.
 */
export class NotKeptError extends Error {
  readonly kind: KindDescriptor;
  constructor({ key, kind }: Action, fields: readonly string[]) {
    super(`the API server accepts writes to ${key} but drops ${fields.join(', ')}: the schema of the kind was changed`);
    this.name = 'NotKeptError';
    this.kind = kind;
  }
}

const assertKept = (action: Extract<Action, { type: 'apply' }>, answer: WithSpec): void => {
  const { spec = {} }: WithSpec = action.body;
  const lost = Object.entries(spec).flatMap(([field, value]) => (covers(answer.spec?.[field], value) ? [] : `spec.${field}`));
  if (lost.length > 0) throw new NotKeptError(action, lost);
};

/**
 * Patches an object. One that was deleted meanwhile needs no patch; the apply that follows creates
 * it.
 */
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
