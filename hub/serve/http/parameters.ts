import { ResourceName } from '@fso/shared/api';
import { z } from 'zod';

/** Number in a query parameter, which arrives as text. */
export const wholeNumber = ({ digits, min, max = Number.MAX_SAFE_INTEGER }: { digits: number; min: number; max?: number }) =>
  z
    .string()
    .regex(new RegExp(`^\\d{1,${digits}}$`), 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));
const Limit = wholeNumber({ digits: 6, min: 1, max: 500 }).default(100);
/** Parameters of all paged lists. */
export const paging = {
  limit: Limit.describe('Items of a page, 1 to 500.'),
  cursor: z.string().max(4096).optional().describe('`next` of the page before.'),
};

/** Text without control characters: names have none, and PostgreSQL does not accept NUL. */
export const Text = z.string().regex(/^\P{Cc}*$/u, 'must not have control characters');

/** Query parameter: part of a name. Optional. */
export const Search = Text.min(1).max(253).optional().describe('Part of a name, upper and lower case alike.');
/** Query parameter that selects a policy by its key: name, or namespace/name. Optional. */
export const PolicyKeyParameter = Text.min(1)
  .max(317)
  .optional()
  .describe("Name of a policy; outside of the agent's namespace, namespace/name.");

/** Query of a paged list without filters. */
export const PageQuery = z.strictObject(paging);

/** A time, in UTC. */
export const Moment = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-03T10:30:00Z' })
  .transform((time) => new Date(time).toISOString())
  .pipe(z.iso.datetime())
  .optional();
/** Query parameters `since` and `until` of lists whose items have a time. */
export const period = { since: Moment.describe('Not before this time.'), until: Moment.describe('Not after this time.') };

/** Query parameters that select events. */
export const eventFilters = {
  cluster: ResourceName.optional(),
  policy: PolicyKeyParameter,
  severity: z.enum(['info', 'warning', 'alert']).optional(),
  q: Search.describe('Part of the reason, the message, the policy or the cluster, upper and lower case alike.'),
  ...period,
};
/** Query of the list of events. */
export const EventQuery = z.strictObject({ ...eventFilters, ...paging });

/** Removes the undefined parameters of a query. */
export const withoutAbsent = <Q extends object>(query: Q): { [K in keyof Q]?: NonNullable<Q[K]> } =>
  Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined)) as { [K in keyof Q]?: NonNullable<Q[K]> };

/** Path parameters of routes to an object by its name. */
export const NameParams = z.strictObject({ name: z.string().max(253) });
/** Path parameters of routes to an object by namespace and name. */
export const NamespacedNameParams = z.strictObject({ namespace: z.string().max(253), name: z.string().max(253) });

/** Whether a name contains a text, ignoring case; true for undefined. */
export const includesText = (name: string, q: string | undefined): boolean =>
  q === undefined || name.toLowerCase().includes(q.toLowerCase());

/** Query parameter: `true` or `false`, as a boolean. */
export const Flag = z.stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive' });

/** Whether a value matches a filter; true for undefined. */
export const matches = <T>(filter: T | undefined, value: T): boolean => filter === undefined || filter === value;
