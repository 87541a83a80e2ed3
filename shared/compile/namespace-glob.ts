import { groupBy } from '../encoding/index.ts';

/** Whether a pattern stands for more than one namespace. */
export const isGlob = (pattern: string): boolean => pattern.startsWith('*') || pattern.endsWith('*');

/**
 * Whether a name or glob matches a namespace, as Gatekeeper's `match.namespaces` reads it:
 * `finance` is that name, `finance-*` a beginning, `*-prod` an ending, `*pay*` a part, `*` every
 * namespace. A `*` elsewhere is an ordinary character.
 *
 * @see https://open-policy-agent.github.io/gatekeeper/website/docs/howto/#the-match-field
 */
export const matchesNamespace = (glob: string, namespace: string): boolean => {
  const openStart = glob.startsWith('*');
  const openEnd = glob.endsWith('*');
  if (openStart && openEnd) return namespace.includes(glob.slice(1, -1));
  if (openStart) return namespace.endsWith(glob.slice(1));
  return openEnd ? namespace.startsWith(glob.slice(0, -1)) : namespace === glob;
};

/**
 * Creates a lookup of the rules that govern a namespace. It looks up exact targets and tries only
 * globs on each namespace, so that thousands of both stay cheap.
 */
export const createMatcher = <R extends { readonly excluded: readonly string[] }>(
  rules: readonly R[],
  targetOf: (rule: R) => string,
): ((namespace: string) => readonly R[]) => {
  const exact = groupBy(rules, targetOf);
  const globs = rules.filter((rule) => isGlob(targetOf(rule)));
  return (namespace) =>
    [...(exact.get(namespace) ?? []), ...globs.filter((rule) => matchesNamespace(targetOf(rule), namespace))].filter(
      ({ excluded }) => !excluded.some((pattern) => matchesNamespace(pattern, namespace)),
    );
};
