import type { ViolationView } from '@fso/shared/api';

/** What tells one violation from all others. */
export type ViolationRef = Pick<ViolationView, 'cluster' | 'policy' | 'namespace' | 'kind' | 'name'>;

/** None of these names can hold a slash, but the policy, which is two of them. */
export const textOfRef = ({ cluster, policy, namespace, kind, name }: ViolationRef): string =>
  [cluster, policy, namespace, kind, name].join('/');

/** @returns undefined for what {@link textOfRef} did not make */
export const refOfText = (text: string): ViolationRef | undefined => {
  const [cluster, home, policy, namespace, kind, name, more] = text.split('/');
  if (!(cluster && home && policy && namespace && kind && name) || more !== undefined) return undefined;
  return { cluster, policy: `${home}/${policy}`, namespace, kind, name };
};
