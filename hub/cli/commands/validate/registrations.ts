import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { documentTexts, FOLDERS, folderOf, registrationPaths, type SourceFile } from '@fso/shared/decode';
import { messageOf } from '@fso/shared/text';
import { CliError } from '../../errors.ts';

/** Beyond it the folder of all registrations would be long for every agent. */
const MAX_FLAT = 1000;

/** A registration that goes into a file of its own. */
export interface Move {
  readonly cluster: string;
  readonly from: string;
  readonly to: string;
  readonly yaml: string;
}

interface Registration {
  readonly cluster: string;
  readonly path: string;
  readonly yaml: string;
}

/** Registrations of a file; none where it has anything else, which only people can sort. */
const registrationsIn = (file: SourceFile): readonly Registration[] => {
  const documents = documentTexts(file) ?? [];
  if (documents.some(({ kind }) => kind !== 'ManagedCluster')) return [];
  return documents.map(({ name, yaml }) => ({ cluster: name, path: file.path, yaml: documents.length === 1 ? file.text : yaml }));
};

/**
 * Where registrations must go so that agents find them: each into a file of its own, and with more than 1,000 clusters into the folders that
 * follow from their names. One that is there twice stays: which of them is right nobody but people can say. Pure.
 */
export const planMoves = (files: readonly SourceFile[]): readonly Move[] => {
  const all = files.filter(({ path }) => folderOf(path) === FOLDERS.ManagedCluster).flatMap(registrationsIn);
  const counts = new Map<string, number>();
  for (const { cluster } of all) counts.set(cluster, (counts.get(cluster) ?? 0) + 1);
  return all.flatMap(({ cluster, path, yaml }) => {
    const [flat, below] = registrationPaths(cluster);
    const isRight = path === below || (path === flat && all.length <= MAX_FLAT);
    if (isRight || counts.get(cluster) !== 1) return [];
    return [{ cluster, from: path, to: all.length <= MAX_FLAT ? flat : below, yaml }];
  });
};

/** Writes the files of moves, then removes those that they came from. @throws CliError when one is in the way, or cannot be written */
export const move = (root: string, moves: readonly Move[]): void => {
  const taken = moves.find(({ to }) => existsSync(join(root, to)));
  if (taken !== undefined) throw new CliError(`cannot move cluster ${taken.cluster}: ${taken.to} is there already`);
  try {
    for (const { to, yaml } of moves) {
      mkdirSync(dirname(join(root, to)), { recursive: true });
      writeFileSync(join(root, to), yaml);
    }
    for (const from of new Set(moves.map((each) => each.from))) rmSync(join(root, from));
  } catch (error) {
    throw new CliError(`cannot move the registrations: ${messageOf(error)}`);
  }
};
