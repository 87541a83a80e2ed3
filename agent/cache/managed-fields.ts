import { FIELD_MANAGERS, type KubeObject, NAMESPACE_KEYS, type ObjectMeta } from '@fso/shared/api';
import { definedOnly, isPlain, type Plain } from '../compare.ts';

type FieldsEntry = NonNullable<ObjectMeta['managedFields']>[number];

const labelsIn = ({ fieldsV1 }: FieldsEntry): readonly string[] => {
  const fields = fieldsV1?.['f:metadata'] as { 'f:labels'?: Record<string, unknown> } | undefined;
  return Object.keys(fields?.['f:labels'] ?? {}).map((key) => key.slice('f:'.length));
};

/**
 * Labels of this system that another field manager owns too. An apply without them does not remove
 * them. A user with the right to patch can cause this by resetting `managedFields`: the next apply
 * attributes all labels to `before-first-apply`.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export const labelsHeldByOthers = (managedFields: ObjectMeta['managedFields']): readonly string[] | undefined => {
  const others = (managedFields ?? []).filter(({ manager }) => manager !== FIELD_MANAGERS.namespaces);
  const held = others.flatMap(labelsIn).filter((key) => NAMESPACE_KEYS.includes(key));
  return held.length === 0 ? undefined : [...new Set(held)];
};

/** Spec fields that an entry owns; undefined if it owns none, e.g. an entry for the status. */
export const specFieldsOf = ({ subresource, fieldsV1 }: FieldsEntry): Plain | undefined => {
  const fields = fieldsV1?.['f:spec'];
  return subresource === undefined && isPlain(fields) ? fields : undefined;
};

/**
 * Reduces managed fields to those of the spec, which show who changed it (`foreignManager`). Those
 * of the status are larger and change more often.
 */
export const specFields = (managedFields: ObjectMeta['managedFields']): ObjectMeta['managedFields'] => {
  const ofSpec = (managedFields ?? []).flatMap((entry): FieldsEntry[] => {
    const fields = specFieldsOf(entry);
    const { manager, time } = entry;
    return fields === undefined ? [] : [definedOnly({ manager, time, fieldsV1: { 'f:spec': fields } }) as FieldsEntry];
  });
  return ofSpec.length === 0 ? undefined : ofSpec;
};

/** Removes the managed fields of the status from an object. */
export const withSpecFields = <T extends KubeObject>(object: T): T => {
  const { managedFields } = object.metadata;
  if (managedFields === undefined) return object;
  return { ...object, metadata: definedOnly({ ...object.metadata, managedFields: specFields(managedFields) }) };
};
