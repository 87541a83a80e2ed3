import { isPolicyPath, type SourceFile } from '../decode/index.ts';
import type { Reason } from '../protocol/index.ts';
import type { SignerFiles } from '../signatures/index.ts';
import { decodeText, GitObjectError, type GitObjectType, parseCommit, parseTree, type RawObject, type TreeEntry } from './objects.ts';

/** Folder at the root of the policy repository that says who may sign its commits. */
export const SIGNERS_FOLDER = 'signers';

/** Its files; others in the folder are not read. */
export const SIGNERS_FILES: Readonly<Record<string, keyof SignerFiles>> = {
  allowed_signers: 'allowedSigners',
  'keyring.asc': 'keyring',
};

export type GetObject = (id: string) => RawObject | undefined | Promise<RawObject | undefined>;

export interface WalkLimits {
  readonly maxObjects: number;
  readonly maxBlobBytes: number;
  readonly maxTotalBytes: number;
  /** Folders within folders. */
  readonly maxDepth: number;
}

/** What an offer may carry at most, in objects and (as base64 in JSON) in bytes. */
export const DEFAULT_WALK_LIMITS: WalkLimits = {
  maxObjects: 50_000,
  maxBlobBytes: 1024 * 1024,
  maxTotalBytes: 40 * 1024 * 1024,
  maxDepth: 16,
};

/** More of them would not help a reader, and a frame holds no more. */
const MAX_REASONS = 100;

export type RevisionFiles =
  | {
      readonly ok: true;
      /** Sorted by path. */
      readonly files: readonly SourceFile[];
      /** Every object that the files stand on, by id: the commit, the trees, the blobs. */
      readonly objects: ReadonlyMap<string, RawObject>;
    }
  | { readonly ok: false; readonly problems: readonly Reason[]; readonly missing: readonly string[] };

/**
 * Reads the policy files of a commit from its objects: commit → trees → blobs. Folders that neither hold policy nor say
 * who may sign are not entered, so their objects need not be there. Symbolic links and submodules where policy stands are
 * refused: what they show is not part of the commit. Object ids are not recomputed here; the code that stores objects does that.
 */
export const filesOfRevision = async (revision: string, getObject: GetObject, limits = DEFAULT_WALK_LIMITS): Promise<RevisionFiles> => {
  const walk = new Walk(getObject, limits);
  await walk.commit(revision);
  return walk.result();
};

/** Whether files below a folder can be policy files, or the path is one itself if it turns out to be no folder. */
const concernsPolicy = (path: string): boolean => isPolicyPath(path) || isPolicyPath(`${path}/x.yaml`);

class Walk {
  readonly #getObject: GetObject;
  readonly #limits: WalkLimits;
  readonly #files: SourceFile[] = [];
  readonly #objects = new Map<string, RawObject>();
  readonly #missing = new Set<string>();
  readonly #problems: Reason[] = [];
  #visited = 0;
  #bytes = 0;
  #full: boolean = false;

  constructor(getObject: GetObject, limits: WalkLimits) {
    this.#getObject = getObject;
    this.#limits = limits;
  }

  result(): RevisionFiles {
    if (this.#missing.size > 0 || this.#problems.length > 0) return { ok: false, problems: this.#problems, missing: [...this.#missing] };
    const files = this.#files.sort((left, right) => (left.path < right.path ? -1 : 1));
    return { ok: true, files, objects: this.#objects };
  }

  async commit(id: string): Promise<void> {
    const object = await this.#read(id, 'commit', '');
    if (object === undefined) return;
    const commit = this.#parse('', () => parseCommit(object.data));
    if (commit !== undefined) await this.#tree(commit.tree, '');
  }

  async #tree(id: string, folder: string): Promise<void> {
    const object = await this.#read(id, 'tree', folder);
    if (object === undefined) return;
    const entries = this.#parse(folder, () => parseTree(object.data)) ?? [];
    await Promise.all(entries.map((entry) => this.#entry(entry, folder === '' ? entry.name : `${folder}/${entry.name}`)));
  }

  async #entry(entry: TreeEntry, path: string): Promise<void> {
    switch (entry.kind) {
      case 'tree':
        return this.#folder(entry.id, path);
      case 'blob':
        return isPolicyPath(path) ? this.#blob(entry.id, path) : undefined;
      case 'symlink':
      case 'submodule':
        if (concernsPolicy(path))
          this.#problem(path, `is a ${entry.kind === 'symlink' ? 'symbolic link' : 'submodule'}; policy must be a plain file`);
        return;
    }
  }

  /** Only their objects: who trusts signatures reads them, and says what is wrong. */
  async #signers(id: string): Promise<void> {
    const object = await this.#read(id, 'tree', SIGNERS_FOLDER);
    if (object === undefined) return;
    const entries = this.#parse(SIGNERS_FOLDER, () => parseTree(object.data)) ?? [];
    const files = entries.filter(({ name, kind }) => kind === 'blob' && Object.hasOwn(SIGNERS_FILES, name));
    await Promise.all(files.map((entry) => this.#read(entry.id, 'blob', `${SIGNERS_FOLDER}/${entry.name}`)));
  }

  async #folder(id: string, path: string): Promise<void> {
    if (path === SIGNERS_FOLDER) return this.#signers(id);
    if (!isPolicyPath(`${path}/x.yaml`)) return;
    if (path.split('/').length <= this.#limits.maxDepth) return this.#tree(id, path);
    this.#problem(path, `lies deeper than ${this.#limits.maxDepth} folders`);
  }

  async #blob(id: string, path: string): Promise<void> {
    const object = await this.#read(id, 'blob', path);
    if (object === undefined) return;
    if (object.data.byteLength > this.#limits.maxBlobBytes) {
      this.#problem(path, `has ${object.data.byteLength} bytes, more than the ${this.#limits.maxBlobBytes} that are accepted`);
      return;
    }
    const text = this.#parse(path, () => decodeText(object.data, 'the file'));
    if (text !== undefined) this.#files.push({ path, text });
  }

  async #read(id: string, type: GitObjectType, path: string): Promise<RawObject | undefined> {
    this.#visited += 1;
    if (this.#visited > this.#limits.maxObjects)
      return this.#overflow(`the commit has more than ${this.#limits.maxObjects} objects of policy`);
    const object = await this.#getObject(id);
    if (object === undefined) {
      this.#missing.add(id);
      return;
    }
    if (object.type !== type) {
      this.#problem(path, `object ${id} is a ${object.type} where a ${type} belongs`);
      return;
    }
    this.#bytes += object.data.byteLength;
    if (this.#bytes > this.#limits.maxTotalBytes)
      return this.#overflow(`the commit has more than ${this.#limits.maxTotalBytes} bytes of policy`);
    this.#objects.set(id, object);
    return object;
  }

  #overflow(message: string): undefined {
    if (!this.#full) this.#problem('', message);
    this.#full = true;
  }

  #problem(path: string, message: string): void {
    if (this.#problems.length < MAX_REASONS) this.#problems.push(path === '' ? { message } : { path, message });
  }

  #parse<T>(path: string, parse: () => T): T | undefined {
    try {
      return parse();
    } catch (error) {
      if (!(error instanceof GitObjectError)) throw error;
      this.#problem(path, error.message);
    }
  }
}
