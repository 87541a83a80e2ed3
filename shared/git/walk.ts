import {
  type AloneDecoder,
  decodeAlone,
  FOLDERS,
  folderProblem,
  isPolicyPath,
  isScopeName,
  registrationPlace,
  SCOPE_FILE,
  type SourceFile,
  twinsAmong,
} from '../decode/index.ts';
import { byText } from '../encoding/index.ts';
import type { Reason } from '../protocol/index.ts';
import { type ClusterFacts, type ClusterPart, isNamed, readFacts, registrationsAmong, scopeVerdict } from './cluster-part.ts';
import { decodeText, GitObjectError, type GitObjectType, parseCommit, parseTree, type RawObject, type TreeEntry } from './objects.ts';
import { DEFAULT_WALK_LIMITS, type GetObject, SIGNERS_FILES, SIGNERS_FOLDER, type WalkLimits, type WalkOptions } from './walk-options.ts';

/** Most reasons for a refusal. More would not help a reader, and a frame holds no more. */
const MAX_REASONS = 100;

/** Policy files of a commit, or the reason why they cannot be read. */
export type RevisionFiles =
  | {
      readonly ok: true;
      /** Sorted by path. */
      readonly files: readonly SourceFile[];
      /** Every object that the files depend on, by id: the commit, the trees, the blobs. */
      readonly objects: ReadonlyMap<string, RawObject>;
      /** Ids of folders and files, by path. */
      readonly ids: ReadonlyMap<string, string>;
      readonly part: ClusterPart;
    }
  | { readonly ok: false; readonly problems: readonly Reason[]; readonly missing: readonly string[] };

/**
 * Reads the policy files of a commit from its objects: commit → trees → blobs. Folders that contain
 * neither policies nor signers are not entered, so their objects may be missing. Symbolic links and
 * submodules in place of policies are refused, as their targets are not part of the commit. Object
 * ids are not recomputed here; the code that stores objects does that.
 *
 * An agent walks for its own cluster. A hub walks over whole commits, and for single clusters to
 * know what their agents will request.
 */
export const filesOfRevision = async (revision: string, getObject: GetObject, options: WalkOptions = {}): Promise<RevisionFiles> => {
  const walk = new Walk(getObject, options);
  await walk.commit(revision);
  return walk.result();
};

/**
 * Whether files below a folder can be policy files, or whether the path itself is one if it is not
 * a folder.
 */
const concernsPolicy = (path: string): boolean => isPolicyPath(path) || isPolicyPath(`${path}/x.yaml`);

const isInPolicies = (path: string): boolean => isNamed(path.split('/', 1)[0] ?? '', FOLDERS.SovereignPolicy);

class Walk {
  readonly #getObject: GetObject;
  readonly #limits: WalkLimits;
  readonly #cluster: string | undefined;
  readonly #decode: AloneDecoder;
  readonly #files: SourceFile[] = [];
  readonly #objects = new Map<string, RawObject>();
  readonly #missing = new Set<string>();
  readonly #problems: Reason[] = [];
  readonly #ids = new Map<string, string>();
  readonly #registrations: string[] = [];
  readonly #outside: string[] = [];
  /**
   * Facts of the cluster, set once the walk reaches the policies; undefined in walks for no
   * cluster.
   */
  #facts: ClusterFacts | undefined;
  #visited = 0;
  #bytes = 0;
  #full: boolean = false;

  constructor(getObject: GetObject, { limits = DEFAULT_WALK_LIMITS, cluster, decode = decodeAlone }: WalkOptions) {
    this.#getObject = getObject;
    this.#limits = limits;
    this.#cluster = cluster;
    this.#decode = decode;
  }

  get #hasFailed(): boolean {
    return this.#missing.size > 0 || this.#problems.length > 0;
  }

  result(): RevisionFiles {
    if (this.#hasFailed) return { ok: false, problems: this.#problems, missing: [...this.#missing] };
    const files = this.#files.sort((left, right) => (left.path < right.path ? -1 : 1));
    const part = { registration: this.#registrations[0] ?? null, outside: this.#outside.sort(byText) };
    return { ok: true, files, objects: this.#objects, ids: this.#ids, part };
  }

  async commit(id: string): Promise<void> {
    const object = await this.#read(id, 'commit', '');
    if (object === undefined) return;
    const commit = this.#parse('', () => parseCommit(object.data));
    if (commit === undefined) return;
    const entries = await this.#entriesOf(commit.tree, '');
    await this.#entries(
      entries.filter(({ name }) => !isInPolicies(name)),
      '',
    );
    // Which policies concern a cluster depends on its registration and on the groups of regions.
    if (this.#cluster !== undefined) {
      const { facts, problems } = readFacts(this.#files, this.#decode);
      this.#addReasons(problems);
      if (this.#hasFailed) return;
      this.#facts = facts;
    }
    await this.#entries(
      entries.filter(({ name }) => isInPolicies(name)),
      '',
    );
  }

  /** Entries of a folder; empty if it cannot be read. */
  async #entriesOf(id: string, folder: string): Promise<readonly TreeEntry[]> {
    const object = await this.#read(id, 'tree', folder);
    return (object && this.#parse(folder, () => parseTree(object.data))) ?? [];
  }

  async #entries(entries: readonly TreeEntry[], folder: string): Promise<void> {
    const pathOf = ({ name }: TreeEntry): string => (folder === '' ? name : `${folder}/${name}`);
    const folders = entries.filter(({ kind }) => kind === 'tree').map(pathOf);
    for (const twin of twinsAmong(folders).filter(isInPolicies)) this.#problem(twin, 'is there in another case too');
    await Promise.all(entries.map((entry) => this.#entry(entry, pathOf(entry))));
  }

  async #entry(entry: TreeEntry, path: string): Promise<void> {
    switch (entry.kind) {
      case 'tree':
        return this.#folder(entry.id, path);
      case 'blob':
        if (isPolicyPath(path)) await this.#blob(entry.id, path);
        return;
      case 'symlink':
      case 'submodule':
        if (concernsPolicy(path))
          this.#problem(path, `is a ${entry.kind === 'symlink' ? 'symbolic link' : 'submodule'}; policy must be a plain file`);
        return;
    }
  }

  /**
   * Reads a folder of policies. If its scope excludes the cluster, its content is skipped and may
   * be missing.
   */
  async #policies(id: string, folder: string): Promise<void> {
    const entries = await this.#entriesOf(id, folder);
    const [scope, second] = entries.filter(({ name }) => isScopeName(name));
    if (scope === undefined) return this.#entries(entries, folder);
    const path = `${folder}/${SCOPE_FILE}`;
    // Anything that could be meant as a scope must be a valid one. If it were ignored, too many
    // clusters would get the policies; if it were misread, too few.
    if (second !== undefined || scope.name !== SCOPE_FILE || scope.kind !== 'blob')
      return this.#problem(`${folder}/${scope.name}`, `a scope is one plain file with the name ${SCOPE_FILE}`);
    const text = await this.#blob(scope.id, path);
    if (text === undefined || !this.#isInside(folder, { path, text })) return;
    await this.#entries(
      entries.filter((entry) => entry !== scope),
      folder,
    );
  }

  #isInside(folder: string, scope: SourceFile): boolean {
    if (this.#facts === undefined) return true;
    const { isInside, problems } = scopeVerdict(scope, this.#facts);
    this.#addReasons(problems);
    if (!isInside) this.#outside.push(folder);
    return isInside;
  }

  /**
   * Reads only the cluster's own registration, at one of two paths. The folders show that it is not
   * at the other.
   */
  async #ownRegistration(id: string, path: string, cluster: string): Promise<void> {
    const { folder } = registrationPlace(cluster);
    const entries = await this.#entriesOf(id, path);
    await this.#registrationIn(entries, path, cluster);
    for (const entry of entries.filter(({ name, kind }) => isNamed(name, folder) && kind !== 'blob')) {
      const below = `${path}/${entry.name}`;
      const problem = entry.kind === 'tree' ? folderProblem(below) : 'must be a folder';
      if (problem !== undefined) this.#problem(below, problem);
      else await this.#registrationIn(await this.#entriesOf(entry.id, below), below, cluster);
    }
    if (this.#registrations.length > 1) this.#problem(path, `cluster ${cluster} is registered twice: ${this.#registrations.join(', ')}`);
  }

  async #registrationIn(entries: readonly TreeEntry[], folder: string, cluster: string): Promise<void> {
    const { file } = registrationPlace(cluster);
    for (const { id, name, kind } of registrationsAmong(entries, cluster)) {
      const path = `${folder}/${name}`;
      if (kind !== 'blob' || name !== file) this.#problem(path, `must be a plain file with the name ${file}`);
      else if ((await this.#blob(id, path)) !== undefined) this.#registrations.push(path);
    }
  }

  /**
   * Reads only the objects of the signers' files. The verification of signatures parses them and
   * reports problems.
   */
  async #signers(id: string): Promise<void> {
    const files = (await this.#entriesOf(id, SIGNERS_FOLDER)).filter(
      ({ name, kind }) => kind === 'blob' && Object.hasOwn(SIGNERS_FILES, name),
    );
    await Promise.all(files.map((entry) => this.#read(entry.id, 'blob', `${SIGNERS_FOLDER}/${entry.name}`)));
  }

  async #folder(id: string, path: string): Promise<void> {
    if (path === SIGNERS_FOLDER) return this.#signers(id);
    if (!isPolicyPath(`${path}/x.yaml`)) return;
    const problem = folderProblem(path);
    if (problem !== undefined) return this.#problem(path, problem);
    if (path.split('/').length > this.#limits.maxDepth) return this.#problem(path, `lies deeper than ${this.#limits.maxDepth} folders`);
    if (this.#cluster !== undefined && isNamed(path, FOLDERS.ManagedCluster)) return this.#ownRegistration(id, path, this.#cluster);
    if (isInPolicies(path)) return this.#policies(id, path);
    await this.#entries(await this.#entriesOf(id, path), path);
  }

  /** Reads a file and adds it to the files. @returns its text; undefined if it cannot be read */
  async #blob(id: string, path: string): Promise<string | undefined> {
    const object = await this.#read(id, 'blob', path);
    if (object === undefined) return;
    if (object.data.byteLength > this.#limits.maxBlobBytes) {
      this.#problem(path, `has ${object.data.byteLength} bytes, more than the ${this.#limits.maxBlobBytes} that are accepted`);
      return;
    }
    const text = this.#parse(path, () => decodeText(object.data, 'the file'));
    if (text !== undefined) this.#files.push({ path, text });
    return text;
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
    if (type !== 'commit') this.#ids.set(path, id);
    return object;
  }

  #overflow(message: string): undefined {
    if (!this.#full) this.#problem('', message);
    this.#full = true;
  }

  #problem(path: string, message: string): void {
    this.#addReasons([path === '' ? { message } : { path, message }]);
  }

  #addReasons(reasons: readonly Reason[]): void {
    this.#problems.push(...reasons.slice(0, MAX_REASONS - this.#problems.length));
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
