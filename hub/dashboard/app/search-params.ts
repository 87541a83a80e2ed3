import { NamespaceName, Region, ResourceName } from '@fso/shared/api';
import { z } from 'zod';

/** Search parameters as other programs write them: `?q=finance&phase=Failed`, all of them text. */
export const parseSearch = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text));

export const stringifySearch = (search: Readonly<Record<string, unknown>>): string => {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
};

/**
 * A parameter that is free text; one that does not fit is left out, so that a mistyped URL still
 * shows a page.
 */
export const textParam = z.string().min(1).max(253).optional().catch(undefined);
/** Names as the API takes them. */
export const clusterParam = ResourceName.optional().catch(undefined);
export const namespaceParam = NamespaceName.optional().catch(undefined);
export const regionParam = Region.optional().catch(undefined);
/** A parameter that is one of a few words. */
export const choiceParam = <const T extends readonly [string, ...string[]]>(choices: T) => z.enum(choices).optional().catch(undefined);
export const flagParam = choiceParam(['true', 'false']);
/** A policy's key at its longest: namespace, slash and name. */
export const policyParam = z.string().min(1).max(317).optional().catch(undefined);
export const phaseParam = choiceParam(['Active', 'Pending', 'Failed', 'Expired']);
export const actionParam = choiceParam(['deny', 'warn', 'dryrun', 'custom']);
/** `sort`: one of these keys, or one with `-` before it. */
export const sortParam = (keys: readonly string[]) =>
  z
    .string()
    .refine((sort) => keys.includes(sort.replace(/^-/, '')))
    .optional()
    .catch(undefined);
