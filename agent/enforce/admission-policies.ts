import { FIELD_MANAGERS, type KubeObject, LABELS } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';
import { weakMemo2 } from '@fso/shared/runtime';
import { readsAs, replacementOf } from '../compare.ts';
import type { Action } from './types.ts';

/** An admission policy or a binding of one, validating or mutating. */
export interface AdmissionObject extends KubeObject {
  readonly spec?: Record<string, unknown>;
}

/**
 * CEL condition of an admission policy; the policy is evaluated only if it is true.
 *
 * @see
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#matching-requests-matchconditions
 */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

interface AdmissionObjects {
  readonly kind: KindDescriptor;
  readonly desired: readonly AdmissionObject[];
  /** Every object of the kind in the cluster, or at least those with this system's label. */
  readonly observed: readonly AdmissionObject[];
}

/**
 * Plans a set of admission policies: creates missing objects, restores changed ones, and deletes
 * those that are ours by name and label and no longer wanted. Server-side apply cannot remove
 * fields that another writer added, so a changed object is patched before it is applied. It is
 * never deleted for that, and so stays in force.
 *
 * Policies are created before bindings and deleted after them. Nothing is deleted before all wanted
 * objects exist, because a new object may replace the deleted one.
 */
export const planAdmissionObjects = (wanted: {
  readonly policies: AdmissionObjects;
  readonly bindings: AdmissionObjects;
  /** Whether a name belongs to this set of objects. */
  readonly isOurs: (name: string) => boolean;
}): Action[] => {
  const writes = [wanted.policies, wanted.bindings].flatMap(({ kind, desired, observed }) =>
    desired.flatMap((body) => planObject(kind, body, observed)),
  );
  return writes.length > 0 ? writes : [wanted.bindings, wanted.policies].flatMap((objects) => planStale(objects, wanted.isOurs));
};

const planStale = ({ kind, desired, observed }: AdmissionObjects, isOurs: (name: string) => boolean): Action[] => {
  const names = new Set(desired.map(({ metadata }) => metadata.name));
  return observed
    .filter(({ metadata }) => metadata.labels?.[LABELS.component] !== undefined && isOurs(metadata.name) && !names.has(metadata.name))
    .map(({ metadata }) => deleteAction(kind, metadata.name, 'Leave'));
};

const deleteAction = (kind: KindDescriptor, name: string, reason: string): Action => ({
  type: 'delete',
  key: `${kind.kind}/${name}`,
  kind,
  ref: { name },
  reason,
  policies: [],
});

const planObject = (kind: KindDescriptor, body: AdmissionObject, observed: readonly AdmissionObject[]): Action[] => {
  const { name } = body.metadata;
  const present = observed.find((object) => object.metadata.name === name);
  if (present !== undefined && isAsWanted(present, body)) return [];
  const key = `${kind.kind}/${name}`;
  const reason = present === undefined ? 'Install' : 'Drift';
  const apply: Action = { type: 'apply', key, kind, body, fieldManager: FIELD_MANAGERS.floor, reason, policies: [] };
  if (present === undefined) return [apply];
  // Patches the whole spec, because a foreign expression may read a field that the patch removes.
  const patch = { spec: replacementOf(present.spec, body.spec ?? {}) };
  return [{ type: 'patch', key, kind, ref: { name }, patch, reason, policies: [] }, apply];
};

const isAsWanted = weakMemo2(readsAs);

/** Formats a text as a CEL string literal. CEL reads the escapes of JSON in the same way. */
export const celString = (text: string): string => JSON.stringify(text);

/** Formats texts as a CEL list literal. */
export const celList = (texts: readonly string[]): string => `[${texts.map(celString).join(', ')}]`;
