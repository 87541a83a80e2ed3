import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ResourceName } from '@fso/shared/api';
import { type DocumentText, documentTexts, FOLDERS, folderOf, registrationPaths, type SourceFile } from '@fso/shared/decode';
import { messageOf } from '@fso/shared/text';
import { CliError } from '../../errors.ts';

/**
 * Maximum number of registrations in one folder. A larger folder would cost every agent too much.
 */
const MAX_FLAT = 1000;

/** Changes to a repository so that agents find the registrations. */
export interface Moves {
  /** New contents by path, of files that are new or lose documents. */
  readonly writes: ReadonlyMap<string, string>;
  /** Paths of files to remove. */
  readonly removes: readonly string[];
  readonly moved: readonly { readonly cluster: string; readonly from: string; readonly to: string }[];
}

const linesOf = (text: string): number => text.split(/\r?\n/).filter((line) => /\S/.test(line) && !/^(---|\.\.\.)\s*$/.test(line)).length;

/**
 * Returns the registrations of a file; none if it contains anything else, including comments
 * outside of documents, which only people can assign.
 */
const registrationsIn = (file: SourceFile): readonly DocumentText[] => {
  const documents = documentTexts(file) ?? [];
  const areAll = documents.every(({ kind, name }) => kind === 'ManagedCluster' && ResourceName.safeParse(name).success);
  const lines = documents.reduce((sum, { yaml }) => sum + linesOf(yaml), 0);
  return areAll && lines === linesOf(file.text) ? documents : [];
};

const targetOf = (cluster: string, path: string, clusters: number): string => {
  const [flat, below] = registrationPaths(cluster);
  return path === below || clusters > MAX_FLAT ? below : flat;
};

interface Place {
  readonly cluster: string;
  readonly yaml: string;
  readonly to: string;
}

/**
 * Returns the target files of a file's registrations; none if they are in the right place, or only
 * people can sort them.
 */
const placesOf = (
  file: SourceFile,
  documents: readonly DocumentText[],
  { twice, clusters }: { readonly twice: ReadonlySet<string>; readonly clusters: number },
): readonly Place[] => {
  const places = documents.map(({ name, yaml }) => ({
    cluster: name,
    yaml: documents.length === 1 ? file.text : yaml,
    to: targetOf(name, file.path, clusters),
  }));
  const isRight = documents.some(({ name }) => twice.has(name)) || places.every(({ to }) => to === file.path);
  return isRight ? [] : places;
};

/**
 * Plans moves so that agents find the registrations: each registration gets its own file and, with
 * more than 1,000 clusters, the folder that follows from its name. A file stays if one of its
 * clusters is registered twice, because only people can decide which registration is right. Pure.
 */
export const planMoves = (files: readonly SourceFile[]): Moves => {
  const all = files
    .filter(({ path }) => folderOf(path) === FOLDERS.ManagedCluster)
    .map((file) => ({ file, documents: registrationsIn(file) }));
  const names = all.flatMap(({ documents }) => documents.map(({ name }) => name));
  const seen = new Set<string>();
  const twice = new Set(names.filter((name) => seen.size === seen.add(name).size));
  const moves = all.flatMap(({ file, documents }) =>
    placesOf(file, documents, { twice, clusters: names.length }).map((place) => ({ ...place, from: file.path })),
  );
  const writes = new Map(moves.map(({ to, yaml }) => [to, yaml]));
  return {
    writes,
    removes: [...new Set(moves.map(({ from }) => from))].filter((path) => !writes.has(path)),
    moved: moves.filter(({ from, to }) => from !== to).map(({ cluster, from, to }) => ({ cluster, from, to })),
  };
};

/** Returns the files after the moves. Pure. */
export const afterMoves = (files: readonly SourceFile[], { writes, removes }: Moves): readonly SourceFile[] => [
  ...files.filter(({ path }) => !writes.has(path) && !removes.includes(path)),
  ...[...writes].map(([path, text]) => ({ path, text })),
];

const TEMPORARY = '.moving';

/**
 * Writes each text to a temporary file beside its target.
 *
 * @throws the error of the file system; no temporary file is left then
 */
const writeBeside = (root: string, writes: Moves['writes']): void => {
  const written: string[] = [];
  try {
    for (const [path, text] of writes) {
      const temporary = join(root, `${path}${TEMPORARY}`);
      mkdirSync(dirname(temporary), { recursive: true });
      writeFileSync(temporary, text, { flag: 'wx' });
      written.push(temporary);
    }
  } catch (error) {
    for (const path of written) rmSync(path, { force: true });
    throw error;
  }
};

/**
 * Moves registrations. All files are written before any is replaced or removed.
 *
 * @throws CliError if a target exists, or a file cannot be written
 */
export const move = (root: string, { writes, removes, moved }: Moves): void => {
  const sources = new Set(moved.map(({ from }) => from));
  const taken = moved.find(({ to }) => !sources.has(to) && existsSync(join(root, to)));
  if (taken !== undefined) throw new CliError(`cannot move cluster ${taken.cluster}: ${taken.to} is there already`);
  try {
    writeBeside(root, writes);
    for (const path of removes) rmSync(join(root, path));
    for (const path of writes.keys()) renameSync(join(root, `${path}${TEMPORARY}`), join(root, path));
  } catch (error) {
    throw new CliError(
      `cannot move the registrations: ${messageOf(error)}; files that end in ${TEMPORARY}, if any, have not been moved to their place yet`,
    );
  }
};
