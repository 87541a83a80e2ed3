import { type CompiledPolicy, createMatcher } from '@fso/shared/compile';
import { digestOfPatterns, isPattern, patternsOf, rulesOf, type StoredEffects } from '@fso/shared/effects';
import { byText } from '@fso/shared/encoding';
import { weakMemo } from '@fso/shared/runtime';

/**
 * Whether a plan changes the denying rule of a namespace. Undefined if the plan changes the rule of
 * a pattern and it is no longer known which namespaces that stands for.
 */
export type IsChanged = (namespace: string) => boolean | undefined;

/** Classes into which the patterns of policies that have not expired divide namespaces. */
interface Patterns {
  readonly digest: string;
  /** Returns a key that is the same for all namespaces of a class. */
  readonly classOf: (namespace: string) => string;
}

const readPatterns = (policies: readonly CompiledPolicy[], atMs: number): Patterns => {
  const patterns = patternsOf(rulesOf(policies, atMs));
  const match = createMatcher(
    patterns.map((pattern) => ({ pattern, excluded: [] })),
    ({ pattern }) => pattern,
  );
  // A pattern of a plan, taken as a name, matches the same globs as each of its namespaces, so it
  // has the key of their class.
  const classOf = (namespace: string): string => [...new Set(match(namespace).map(({ pattern }) => pattern))].sort(byText).join(' ');
  return { digest: digestOfPatterns(patterns), classOf };
};

/** The namespaces whose denying rule a plan changes, by cluster. Pure. */
export class ChangedNamespaces {
  readonly #planned = new Map<string, string[]>();
  readonly #digests: ReadonlyMap<string, string>;
  readonly #patternsOf: (policies: readonly CompiledPolicy[]) => Patterns;

  /** @param atMs time at which policies must not have expired, in milliseconds since 1970 */
  constructor({ effects, patterns }: Pick<StoredEffects, 'effects' | 'patterns'>, atMs: number) {
    for (const { action, clusters, namespaces } of effects)
      for (const cluster of action === 'deny' ? clusters : [])
        this.#planned.set(cluster, [...(this.#planned.get(cluster) ?? []), ...namespaces]);
    this.#digests = new Map(patterns.flatMap(({ clusters, digest }) => clusters.map((cluster) => [cluster, digest] as const)));
    this.#patternsOf = weakMemo((policies: readonly CompiledPolicy[]) => readPatterns(policies, atMs));
  }

  /**
   * Returns the check for the namespaces of one cluster. A pattern stands for the namespaces of its
   * class as long as the cluster distinguishes namespaces as it did in the plan.
   *
   * @param policies compiled policies of the cluster in the commit in force
   */
  in(cluster: string, policies: readonly CompiledPolicy[]): IsChanged {
    const planned = this.#planned.get(cluster) ?? [];
    const names = new Set(planned.filter((each) => !isPattern(each)));
    const globs = planned.filter(isPattern);
    if (globs.length === 0) return (namespace) => names.has(namespace);
    const { digest, classOf } = this.#patternsOf(policies);
    if (digest !== this.#digests.get(cluster)) return (namespace) => names.has(namespace) || undefined;
    const classes = new Set(globs.map(classOf));
    return (namespace) => names.has(namespace) || classes.has(classOf(namespace));
  }
}
