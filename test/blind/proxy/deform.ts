import { byText } from '@fso/shared/encoding';

/**
 * Path of a value of a wrong type, e.g. `['spec', 'targetNamespace']`; `['items']` is that of a
 * list.
 */
export type FieldPath = readonly string[];

export interface Deformation {
  readonly path: FieldPath;
  readonly value: unknown;
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Returns the kind of a JSON value, to find values of another type than a field has. */
const typeOf = (value: unknown): string => {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
};

const WRONG: readonly unknown[] = [5, 'x', {}, [], [null], null, true, [[{}]]];

/**
 * Values of another type than this one. Null is none: a field that an API server leaves out may
 * come as null, which says the same. Nor is an empty array in the place of an array.
 */
export const wrongValuesFor = (value: unknown): readonly unknown[] => {
  const others = WRONG.filter((wrong) => wrong !== null && typeOf(wrong) !== typeOf(value));
  return Array.isArray(value) ? [...others, [null], [[{}]]] : others;
};

/** Metadata that the agent may read, also where an object does not have it. */
const METADATA: Readonly<Record<string, unknown>> = {
  labels: {},
  annotations: {},
  managedFields: [{}],
  generation: 1,
  resourceVersion: '1',
  uid: 'uid',
  deletionTimestamp: '2026-01-01T00:00:00Z',
  ownerReferences: [{}],
};

export interface Field {
  readonly path: FieldPath;
  /** A value of the right type. */
  readonly example: unknown;
}

const TYPE_AND_IDENTITY = ['apiVersion', 'kind', 'metadata'];

/** Fields of one object, and of its spec, status or whatever else it has. */
const fieldsOfObject = (object: Fields): Field[] =>
  Object.entries(object)
    .filter(([name]) => !TYPE_AND_IDENTITY.includes(name))
    .flatMap(([name, value]) => [
      { path: [name], example: value },
      ...(isObject(value) ? Object.entries(value).map(([inner, example]) => ({ path: [name, inner], example })) : []),
    ]);

/**
 * Every field of these objects that a case deforms: those of the metadata, of the object itself,
 * and of spec and status.
 */
export const fieldsOf = (objects: readonly object[]): readonly Field[] => {
  const fields = [
    ...(objects as readonly Fields[]).flatMap(fieldsOfObject),
    ...Object.entries(METADATA).map(([name, example]) => ({ path: ['metadata', name], example })),
    { path: ['items'], example: [{}] },
  ];
  const byPath = new Map(fields.map((field) => [field.path.join('.'), field]));
  return [...byPath.keys()].sort(byText).flatMap((path) => byPath.get(path) ?? []);
};

/**
 * @returns whether there was a place for the value; an object without the parent of the field stays
 * as it is
 */
export const deformObject = (object: unknown, { path, value }: Deformation): boolean => {
  const [name = '', ...rest] = path;
  if (!isObject(object)) return false;
  if (rest.length === 0) {
    object[name] = value;
    return true;
  }
  return deformObject(object[name], { path: rest, value });
};

/** @param list parsed; it is changed @returns how many objects are deformed now */
export const deformList = (list: { items?: unknown }, deformation: Deformation): number => {
  const { items } = list;
  if (!Array.isArray(items) || items.length === 0) return 0;
  if (deformation.path[0] === 'items') {
    list.items = deformation.value;
    return items.length;
  }
  return items.filter((item) => deformObject(item, deformation)).length;
};
