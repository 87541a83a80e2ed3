import { NamespaceName, Region, ResourceName } from '@fso/shared/api';
import type { ThProps } from '@patternfly/react-table';
import { useNavigate } from '@tanstack/react-router';
import type { z } from 'zod';

/** Filter of a list: its search parameter, and the field in the toolbar. */
export interface Filter {
  /** Name of the search parameter. */
  readonly name: string;
  readonly label: string;
  /** The choices; absent: the whole value is typed. */
  readonly options?: readonly { readonly value: string; readonly text: string }[];
  /** Suggestions while it is typed. */
  readonly suggestions?: readonly string[];
  /** Texts that the API accepts; absent: all. */
  readonly schema?: z.ZodString;
  /**
   * Set by links, and in the way else: shown only while it is set. With options it can be changed
   * then, without it can only be taken away.
   */
  readonly isLinked?: true;
}

/** Options of a filter from their texts by value, in this order. */
export const optionsOf = (texts: Readonly<Record<string, string>>): NonNullable<Filter['options']> =>
  Object.entries(texts).map(([value, text]) => ({ value, text }));

const MAX_SUGGESTIONS = 200;

/**
 * Suggestions for a typed filter from the values of rows: each once, and no more than a reader
 * looks through.
 */
export const suggestionsOf = (values: readonly string[]): readonly string[] =>
  [...new Set(values)].sort((a, b) => a.localeCompare(b)).slice(0, MAX_SUGGESTIONS);

/** Search parameters by name; undefined = not set. */
export type Values = Readonly<Record<string, string | undefined>>;

export const CLUSTER_FILTER = { name: 'cluster', label: 'Cluster', schema: ResourceName } as const satisfies Filter;
export const NAMESPACE_FILTER = { name: 'namespace', label: 'Namespace', schema: NamespaceName } as const satisfies Filter;
export const REGION_FILTER = { name: 'region', label: 'Region', schema: Region } as const satisfies Filter;

/**
 * @returns why the API would refuse it, as a sentence without its full stop; undefined: it does not
 */
export const problemOf = ({ label, schema, suggestions = [] }: Filter, text: string): string | undefined => {
  if (schema === undefined || suggestions.includes(text)) return undefined;
  const { error } = schema.safeParse(text);
  return error === undefined ? undefined : `${label} ${error.issues[0]?.message ?? 'is not valid'}`;
};

/** Names of what a toolbar with these filters filters by. */
export const namesOf = (filters: readonly Filter[]): readonly string[] => ['q', ...filters.map(({ name }) => name)];

/** Whether a value is set for at least one of these filters. */
export const isAnySet = (names: readonly string[], values: Values): boolean => names.some((name) => (values[name] ?? '') !== '');

/** The change that clears these filters. */
export const cleared = (names: readonly string[]): Values => Object.fromEntries(names.map((name) => [name, undefined]));

/**
 * Writes changed parameters into the URL of the page, without a new entry in the browser's history.
 */
export const useSearchChange = (): ((changed: Values) => void) => {
  const navigate = useNavigate();
  // Each route checks what it is given.
  return (changed) => void navigate({ to: '.', search: (old: Values) => ({ ...old, ...changed }) as never, replace: true });
};

interface Sortable {
  readonly sort?: string;
}

/** The sort of the URL, unless it is left over from a list that is sorted by other keys. */
export const ownSort = (sort: string | undefined, sorts: readonly string[], preferred: string): string =>
  sort !== undefined && sorts.includes(sort.replace(/^-/, '')) ? sort : preferred;

/** Sort properties of a PatternFly header cell; empty where the column cannot be sorted by. */
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
