import { FIELD_MANAGERS, type KubeObject, LABELS } from '@fso/shared/api';
import type { KindDescriptor } from '@fso/shared/kube';
import { covers, isPlain, weakMemo2 } from './compare.ts';
import type { Action } from './types.ts';

/** An admission policy or a binding of one, validating or mutating. */
export interface AdmissionObject extends KubeObject {
  readonly spec?: Record<string, unknown>;
}

/** @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#matching-requests-matchconditions */
export interface MatchCondition {
  readonly name: string;
  readonly expression: string;
}

interface AdmissionObjects {
  readonly kind: KindDescriptor;
  readonly desired: readonly AdmissionObject[];
  /** Every object of the kind in the cluster, or those labelled as this system's. */
  readonly observed: readonly AdmissionObject[];
}

/**
 * What a set of admission policies needs to be as it should: missing objects are made, changed ones put back, those
 * that are ours by name and label and no longer wanted go. What someone added to an object, and server-side apply cannot
 * take away, is patched away first; the object itself stays, and goes on judging.
 *
 * Policies come before bindings, and leave after them, once everything that is wanted is there: what goes may be what a
 * newer one takes the place of.
 */
export const planAdmissionObjects = (wanted: {
  readonly policies: AdmissionObjects;
  readonly bindings: AdmissionObjects;
  /** By name. */
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

/** Fields with which an other writer could narrow what is judged; they have no defaults, and apply cannot remove them. */
const OPENINGS: readonly string[] = ['matchConditions', 'paramKind', 'paramRef'];

/** Lists that the API server merges item by item: apply cannot remove what an other writer put there. */
const MERGED_LISTS: readonly string[] = ['variables', 'validationActions', 'matchConditions'];

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
  const apply: Action = {
    type: 'apply',
    key: `${kind.kind}/${name}`,
    kind,
    body,
    fieldManager: FIELD_MANAGERS.floor,
    reason: present === undefined ? 'Install' : 'Drift',
    policies: [],
  };
  if (present === undefined || !hasAdditions(present, body)) return [apply];
  const patch = { spec: withoutAdditions(present, body) };
  return [{ type: 'patch', key: apply.key, kind, ref: { name }, patch, reason: 'Drift', policies: [] }, apply];
};

const hasAdditions = ({ spec }: AdmissionObject, body: AdmissionObject): boolean =>
  foreignOpenings(spec, body).length > 0 || MERGED_LISTS.some((field) => hasForeignItem(spec?.[field], body.spec?.[field]));

/** Lists that differ go along in full: the object must be valid without what is removed, e.g. expressions that read a `paramKind`. */
const withoutAdditions = ({ spec }: AdmissionObject, body: AdmissionObject): Readonly<Record<string, unknown>> =>
  Object.fromEntries([
    ...foreignOpenings(spec, body).map((field) => [field, null]),
    ...Object.entries(body.spec ?? {}).filter(([field, value]) => Array.isArray(value) && !covers(spec?.[field], value)),
  ]);

const isAsWanted = weakMemo2(
  (present: AdmissionObject, body: AdmissionObject): boolean => !hasAdditions(present, body) && covers(present, body),
);

const foreignOpenings = (spec: AdmissionObject['spec'], body: AdmissionObject): readonly string[] =>
  OPENINGS.filter((field) => isSet(spec?.[field]) && !isSet(body.spec?.[field]));

const isSet = (value: unknown): boolean => !covers(value, []);

const hasForeignItem = (actual: unknown, wanted: unknown): boolean => {
  const known = new Set(itemsOf(wanted).map(identityOf));
  return itemsOf(actual).some((item) => !known.has(identityOf(item)));
};

const itemsOf = (list: unknown): readonly unknown[] => (Array.isArray(list) ? list : []);

const identityOf = (item: unknown): unknown => (isPlain(item) ? item['name'] : item);
