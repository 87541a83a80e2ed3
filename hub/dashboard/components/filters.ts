import { NamespaceName, Region, ResourceName } from '@fso/shared/api';
import { useNavigate } from '@tanstack/react-router';
import type { z } from 'zod';

export interface Filter {
  /** Name of the search parameter. */
  readonly name: string;
  readonly label: string;
  /** What can be chosen; absent: it is typed, whole. */
  readonly options?: readonly { readonly value: string; readonly text: string }[];
  /** What is offered while it is typed. */
  readonly suggestions?: readonly string[];
  /** What the API takes; absent: every text. */
  readonly schema?: z.ZodString;
  /** Cannot be chosen here, as links set it: shown while it is set, and can be taken away. */
  readonly isLinked?: true;
}

/** Search parameters by name; undefined = not set. */
export type Values = Readonly<Record<string, string | undefined>>;

export const CLUSTER_FILTER = { name: 'cluster', label: 'Cluster', schema: ResourceName } as const satisfies Filter;
export const NAMESPACE_FILTER = { name: 'namespace', label: 'Namespace', schema: NamespaceName } as const satisfies Filter;
export const REGION_FILTER = { name: 'region', label: 'Region', schema: Region } as const satisfies Filter;

/** @returns why the API would refuse it, as a sentence without its full stop; undefined: it does not */
export const problemOf = ({ label, schema, suggestions = [] }: Filter, text: string): string | undefined => {
  if (schema === undefined || suggestions.includes(text)) return undefined;
  const { error } = schema.safeParse(text);
  return error === undefined ? undefined : `${label} ${error.issues[0]?.message ?? 'is not valid'}`;
};

/** Names of what a toolbar with these filters filters by. */
export const namesOf = (filters: readonly Filter[]): readonly string[] => ['q', ...filters.map(({ name }) => name)];

export const isAnySet = (names: readonly string[], values: Values): boolean => names.some((name) => (values[name] ?? '') !== '');

/** What takes these filters away. */
export const cleared = (names: readonly string[]): Values => Object.fromEntries(names.map((name) => [name, undefined]));

/** Puts what changed into the URL of the page, without a new entry in the browser's history. */
export const useSearchChange = (): ((changed: Values) => void) => {
  const navigate = useNavigate();
  // Each route checks what it is given.
  return (changed) => void navigate({ to: '.', search: (old: Values) => ({ ...old, ...changed }) as never, replace: true });
};
