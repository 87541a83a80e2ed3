import type { ViolationRef } from '../../api/queries.ts';

/**
 * What a key names. None of the names in it can hold a slash, but the policy, which is two of them.
 *
 * @returns undefined for what `violationKey` did not make
 */
export const refOfText = (text: string): ViolationRef | undefined => {
  const [cluster, home, policy, namespace, kind, name, more] = text.split('/');
  if (!(cluster && home && policy && namespace && kind && name) || more !== undefined) return undefined;
  return { cluster, policy: `${home}/${policy}`, namespace, kind, name };
};
