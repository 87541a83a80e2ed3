import { CountryCode, NamespaceName, ProviderId, Region, ResourceName } from '@fso/shared/api';
import { z } from 'zod';

/**
 * Parses search parameters as other programs write them: `?q=finance&phase=Failed`, all of them
 * text.
 */
export const parseSearch = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text));

/** Writes search parameters into an address. */
export const stringifySearch = (search: Readonly<Record<string, unknown>>): string => {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') params.set(name, String(value));
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
};

/**
 * Makes a parameter optional. Invalid values are dropped, so that a mistyped URL still shows a
 * page.
 */
const param = <T extends z.ZodType>(schema: T) => schema.optional().catch(undefined);

/** A parameter that is free text. */
export const textParam = param(z.string().min(1).max(253));
export const longTextParam = param(z.string().min(1).max(2000));
/** Value of a label, or name of a kind. */
export const labelParam = param(z.string().min(1).max(63));
/** Names as the API accepts them. */
export const clusterParam = param(ResourceName);
export const namespaceParam = param(NamespaceName);
export const regionParam = param(Region);
export const providerParam = param(ProviderId);
export const countryParam = param(CountryCode);
export const timeParam = param(z.iso.datetime({ offset: true }));
/** Creates a parameter whose value must match a pattern. */
export const patternParam = (pattern: RegExp) => param(z.string().regex(pattern));
/** Creates a parameter with a fixed set of values. */
export const choiceParam = <const T extends readonly [string, ...string[]]>(choices: T) => param(z.enum(choices));
/** Parameter that is `true` or `false`. */
export const flagParam = choiceParam(['true', 'false']);
/** Key of a policy, at most namespace, slash and name. */
export const policyParam = param(z.string().min(1).max(317));
export const phaseParam = choiceParam(['Active', 'Pending', 'Failed', 'Expired']);
export const actionParam = choiceParam(['deny', 'warn', 'dryrun', 'custom']);
/** `sort`: one of these keys, or one with `-` before it. */
export const sortParam = (keys: readonly string[]) => param(z.string().refine((sort) => keys.includes(sort.replace(/^-/, ''))));
