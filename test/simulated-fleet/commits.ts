import { type CompiledCluster, compileFleet } from '@fso/shared/compile';
import { decodeFiles } from '@fso/shared/decode';

type Fleet = ReadonlyMap<string, CompiledCluster>;

/**
 * Policies of each commit for each cluster, as agents would compile them. A request for an unknown
 * commit waits until it is known.
 */
export interface Commits {
  /** @throws Error if the files are not a valid set */
  compile(files: Readonly<Record<string, string>>): Fleet;
  add(revision: string, fleet: Fleet): void;
  compiled(revision: string, cluster: string): Promise<CompiledCluster>;
}

export const createCommits = (): Commits => {
  const known = new Map<string, PromiseWithResolvers<Fleet>>();
  const entryOf = (revision: string): PromiseWithResolvers<Fleet> => {
    const entry = known.get(revision) ?? Promise.withResolvers<Fleet>();
    known.set(revision, entry);
    return entry;
  };
  return {
    compile: (files) => {
      const decoded = decodeFiles(Object.entries(files).map(([path, text]) => ({ path, text })));
      if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems.slice(0, 3)));
      return compileFleet(decoded.set);
    },
    add: (revision, fleet) => entryOf(revision).resolve(fleet),
    compiled: async (revision, cluster) => {
      const compiled = (await entryOf(revision).promise).get(cluster);
      if (compiled === undefined) throw new Error(`${cluster} is not registered`);
      return compiled;
    },
  };
};
