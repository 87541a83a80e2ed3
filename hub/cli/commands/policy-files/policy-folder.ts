import { type Dirent, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { folderProblem, isPolicyPath, type SourceFile, type SourceProblem, twinsAmong } from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { SIGNERS_FILES, SIGNERS_FOLDER } from '@fso/shared/git';
import { parseSigners, type SignerFiles, SignersError } from '@fso/shared/signatures';
import { messageOf } from '@fso/shared/text';
import { CliError } from '../../errors.ts';

/**
 * Maximum size of a file that is read, in bytes. The decoder has a smaller limit with its own
 * message.
 */
const MAX_READ_BYTES = 4 * 1024 * 1024;

/** Policy files of a folder, and problems of files that cannot be read. */
export interface FolderContent {
  readonly files: readonly SourceFile[];
  readonly problems: readonly SourceProblem[];
}

const problem = (path: string, reason: string): SourceProblem => ({ path, line: 1, column: 1, reason });

/** Whether a folder with this path may contain policies. */
const mayHoldPolicies = (path: string): boolean => isPolicyPath(`${path}/any.yaml`);

const listFolder = (root: string, path: string): Dirent[] => {
  try {
    return readdirSync(join(root, path), { withFileTypes: true }).sort((a, b) => byText(a.name, b.name));
  } catch (error) {
    throw new CliError(`cannot read ${path === '' ? root : join(root, path)}: ${messageOf(error)}`);
  }
};

/** Reads a file. @throws CliError if it cannot be read */
const readFile = (root: string, path: string): SourceFile | SourceProblem => {
  const file = join(root, path);
  try {
    const { size } = statSync(file);
    if (size > MAX_READ_BYTES) return problem(path, `the file has ${size} bytes, far more than a policy file may have`);
    return { path, text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(file)) };
  } catch (error) {
    if (error instanceof TypeError) return problem(path, 'the file is not UTF-8 text');
    throw new CliError(`cannot read ${file}: ${messageOf(error)}`);
  }
};

/**
 * Reads the policy files in a folder, as the hub would read them from a commit. Links are problems,
 * as at the hub.
 *
 * @throws CliError if the folder or one of its files cannot be read
 */
export const readPolicyFolder = (root: string): FolderContent => {
  const files: SourceFile[] = [];
  const problems: SourceProblem[] = [];
  const take = (path: string): void => {
    const read = readFile(root, path);
    if ('reason' in read) problems.push(read);
    else files.push(read);
  };
  const enter = (path: string): void => {
    const reason = folderProblem(path);
    if (reason === undefined) walk(path);
    else problems.push(problem(path, reason));
  };
  const visit = (entry: Dirent, path: string): void => {
    if (entry.isSymbolicLink() && (isPolicyPath(path) || mayHoldPolicies(path))) problems.push(problem(path, 'symbolic links are refused'));
    if (entry.isDirectory() && mayHoldPolicies(path)) enter(path);
    if (entry.isFile() && isPolicyPath(path)) take(path);
  };
  const walk = (folder: string): void => {
    const pathOf = ({ name }: Dirent): string => (folder === '' ? name : `${folder}/${name}`);
    const entries = listFolder(root, folder);
    const folders = entries.filter((entry) => entry.isDirectory()).map(pathOf);
    for (const twin of twinsAmong(folders.filter((path) => /^policies(\/|$)/i.test(path))))
      problems.push(problem(twin, 'is there in another case too'));
    for (const entry of entries) visit(entry, pathOf(entry));
  };
  walk('');
  return { files, problems };
};

/**
 * Finds problems of the signers' files in a folder. After a commit with such a problem no later
 * commit could be trusted.
 */
export const findSignersProblems = (root: string): readonly SourceProblem[] => {
  if (!existsSync(join(root, SIGNERS_FOLDER))) return [];
  const files: Partial<Record<keyof SignerFiles, string>> = {};
  for (const [name, kind] of Object.entries(SIGNERS_FILES)) {
    const path = `${SIGNERS_FOLDER}/${name}`;
    if (!existsSync(join(root, path))) continue;
    const read = readFile(root, path);
    if ('reason' in read) return [read];
    files[kind] = read.text;
  }
  try {
    parseSigners(files);
    return [];
  } catch (error) {
    if (!(error instanceof SignersError)) throw error;
    return [{ path: SIGNERS_FOLDER, line: 1, column: 1, reason: error.message }];
  }
};
