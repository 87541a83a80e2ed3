import { NamespaceName, Region, ResourceName } from '@fso/shared/api';
import type { ThProps } from '@patternfly/react-table';
import { useNavigate } from '@tanstack/react-router';
import type { z } from 'zod';

/** Filter of a list: its search parameter, and the field in the toolbar. */
export interface Filter {
  /** Name of the search parameter. */
  readonly name: string;
  readonly label: string;
  /** Choices; absent if the value is typed. */
  readonly options?: readonly { readonly value: string; readonly text: string }[];
  /** Suggestions while the user types. */
  readonly suggestions?: readonly string[];
  /** Values that the API accepts; absent if it accepts all. */
  readonly schema?: z.ZodString;
  /**
   * Whether only links set the filter. It is shown only while it is set. With options it can then
   * be changed; without, only removed.
   */
  readonly isLinked?: true;
}

/** Creates the options of a filter from their texts by value, in the given order. */
export const optionsOf = (texts: Readonly<Record<string, string>>): NonNullable<Filter['options']> =>
  Object.entries(texts).map(([value, text]) => ({ value, text }));

const MAX_SUGGESTIONS = 200;

/**
 * Creates suggestions for a typed filter from the values of rows: without duplicates, and few
 * enough to read.
 */
export const suggestionsOf = (values: readonly string[]): readonly string[] =>
  [...new Set(values)].sort((a, b) => a.localeCompare(b)).slice(0, MAX_SUGGESTIONS);

/** Search parameters by name; undefined if not set. */
export type Values = Readonly<Record<string, string | undefined>>;

export const CLUSTER_FILTER = { name: 'cluster', label: 'Cluster', schema: ResourceName } as const satisfies Filter;
export const NAMESPACE_FILTER = { name: 'namespace', label: 'Namespace', schema: NamespaceName } as const satisfies Filter;
export const REGION_FILTER = { name: 'region', label: 'Region', schema: Region } as const satisfies Filter;

/**
 * @returns why the API would refuse a value, as a sentence without its full stop; undefined if it
 * accepts it
 */
export const problemOf = ({ label, schema, suggestions = [] }: Filter, text: string): string | undefined => {
  if (schema === undefined || suggestions.includes(text)) return undefined;
  const { error } = schema.safeParse(text);
  return error === undefined ? undefined : `${label} ${error.issues[0]?.message ?? 'is not valid'}`;
};

/** Names of the search parameters of a toolbar with these filters. */
export const namesOf = (filters: readonly Filter[]): readonly string[] => ['q', ...filters.map(({ name }) => name)];

/** Whether a value is set for at least one of these filters. */
export const isAnySet = (names: readonly string[], values: Values): boolean => names.some((name) => (values[name] ?? '') !== '');

/** Returns the change that clears these filters. */
export const cleared = (names: readonly string[]): Values => Object.fromEntries(names.map((name) => [name, undefined]));

/**
 * Returns a function that writes changed parameters into the URL, without a new entry in the
 * browser's history.
 */
export const useSearchChange = (): ((changed: Values) => void) => {
  const navigate = useNavigate();
  // Each route validates its parameters.
  return (changed) => void navigate({ to: '.', search: (old: Values) => ({ ...old, ...changed }) as never, replace: true });
};

interface Sortable {
  readonly sort?: string;
}

/** Returns the sort of the URL, unless it belongs to a list with other sort keys. */
export const ownSort = (sort: string | undefined, sorts: readonly string[], preferred: string): string =>
  sort !== undefined && sorts.includes(sort.replace(/^-/, '')) ? sort : preferred;

/** Sort properties of a PatternFly header cell; empty if the column cannot be sorted. */
export const sortOf = (
  columns: readonly Sortable[],
  index: number,
  current: string | undefined,
  onSort: ((sort: string) => void) | undefined,
): Pick<ThProps, 'sort'> => {
  const key = columns[index]?.sort;
  if (key === undefined || onSort === undefined) return {};
  const isDescending = current?.startsWith('-') ?? false;
  const active = columns.findIndex(({ sort }) => sort !== undefined && sort === current?.replace(/^-/, ''));
  return {
    sort: {
      columnIndex: index,
      sortBy: active < 0 ? {} : { index: active, direction: isDescending ? 'desc' : 'asc' },
      onSort: (_event, _index, direction) => onSort(direction === 'desc' ? `-${key}` : key),
    },
  };
};
