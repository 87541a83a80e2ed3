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
