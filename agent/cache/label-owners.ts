import { FIELD_MANAGERS, NAMESPACE_KEYS, type ObjectMeta } from '@fso/shared/api';

type FieldsEntry = NonNullable<ObjectMeta['managedFields']>[number];

const labelsIn = ({ fieldsV1 }: FieldsEntry): readonly string[] => {
  const fields = fieldsV1?.['f:metadata'] as { 'f:labels'?: Record<string, unknown> } | undefined;
  return Object.keys(fields?.['f:labels'] ?? {}).map((key) => key.slice('f:'.length));
};

/**
 * Labels of this system that somebody else holds as well: an apply that leaves them out does not remove them. Whoever resets
 * `managedFields`, which takes no more than the right to patch, makes the next apply leave all of them to `before-first-apply`.
 *
 * @see https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management
 */
export const labelsHeldByOthers = (managedFields: ObjectMeta['managedFields']): readonly string[] | undefined => {
  const others = (managedFields ?? []).filter(({ manager }) => manager !== FIELD_MANAGERS.namespaces);
  const held = others.flatMap(labelsIn).filter((key) => NAMESPACE_KEYS.includes(key));
  return held.length === 0 ? undefined : [...new Set(held)];
};
