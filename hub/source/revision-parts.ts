import type { ManagedClusterDocument } from '@fso/shared/api';
import {
  createAloneDecoder,
  decodeAlone,
  FOLDERS,
  folderOf,
  nameOf,
  type PlacementTest,
  type PolicySet,
  parentOf,
  regionsOf,
  registrationPaths,
  SCOPE_FILE,
  type Scopes,
  type SourceFile,
  scopesAbove,
  scopesOf,
  scopeTests,
} from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { decodeText, type GetObject, type RevisionFiles } from '@fso/shared/git';
import { dropOldest, Mutex, sameItems, weakMemo2 } from '@fso/shared/runtime';
import type { RevisionPart } from './types.ts';

/**
 * Most commits whose views are kept: the one in force, and older ones that some agents still have.
 */
const VIEWS_KEPT = 16;
/** Most lists of ids that are kept for one commit. */
const LISTS_KEPT = 64;
const REGISTRATIONS_KEPT = 20_000;

type Whole = Extract<RevisionFiles, { ok: true }>;

/** Tests of whether a cluster is in a scope, by the folder of the scope. */
type ScopeTests = ReadonlyMap<string, PlacementTest>;

/**
 * Creates a function that makes the tests of a commit. It returns the same object as before while
 * the scopes, the groups and the catalogue are the same documents.
 */
const createScopeTester = (): ((set: PolicySet) => ScopeTests) => {
  let last: { readonly documents: readonly object[]; readonly tests: ScopeTests } | undefined;
  return (set) => {
    const catalog = set.catalog === undefined ? [] : [set.catalog];
    const documents = [...set.scopes, ...set.regionGroups, ...catalog].map(({ document }) => document);
    if (last === undefined || !sameItems(last.documents, documents)) last = { documents, tests: scopeTests(scopesOf(set), regionsOf(set)) };
    return last.tests;
  };
};

/** Scopes that a cluster is in, sorted, and as one text. */
interface Inside {
  readonly folders: readonly string[];
  readonly key: string;
}

const OUTSIDE: Inside = { folders: [], key: '' };

/**
 * Returns the scopes that a registered cluster is in. Cached, as most commits change neither the
 * scopes nor the registration.
 */
const insideOf = weakMemo2((inScope: ScopeTests, registration: ManagedClusterDocument): Inside => {
  const folders = [...inScope].flatMap(([folder, isInside]) => (isInside(registration) ? [folder] : [])).sort(byText);
  return { folders, key: folders.join('\n') };
});

/** Parts of a commit that decide which clusters get which of its objects. */
interface View {
  readonly all: readonly string[];
  /** Ids of the files and folders below `clusters/`, by path. */
  readonly registrations: ReadonlyMap<string, string>;
  /** Other ids, with the folders of the scopes that a cluster must be in to get each. */
  readonly others: readonly { readonly id: string; readonly through: readonly string[] }[];
  readonly inScope: ScopeTests;
  /** Ids that clusters in the same scopes share, by the key of the scopes. */
  readonly shared: Map<string, readonly string[]>;
}

/**
 * Folders of the scopes around a path. The scope of a scope.yaml does not count for that file,
 * which has to be read to know who is in the scope.
 */
const scopesThrough = (path: string, scopes: Scopes): readonly string[] => {
  const around = scopesAbove(path, scopes).map(({ source }) => parentOf(source.path));
  return nameOf(path) === SCOPE_FILE ? around.filter((folder) => folder !== parentOf(path)) : around;
};

/** Parsers that are shared by the reads of all commits. */
interface ViewReader {
  readonly decode: ReturnType<typeof createAloneDecoder>;
  readonly testsOf: ReturnType<typeof createScopeTester>;
}

const viewOf = (revision: string, { files, objects, ids }: Whole, { decode, testsOf }: ViewReader): View => {
  const inFolder = (kind: keyof typeof FOLDERS): readonly SourceFile[] => files.filter(({ path }) => folderOf(path) === FOLDERS[kind]);
  const { set } = decode([...inFolder('RegionGroup'), ...inFolder('PolicyScope').filter(({ path }) => nameOf(path) === SCOPE_FILE)]);
  const scopes = scopesOf(set);
  const isRegistration = (path: string): boolean => path.startsWith(`${FOLDERS.ManagedCluster}/`);
  const others = [...ids].filter(([path]) => !isRegistration(path)).map(([path, id]) => ({ id, through: scopesThrough(path, scopes) }));
  return {
    all: [...objects.keys()],
    registrations: new Map([...ids].filter(([path]) => isRegistration(path))),
    others: [{ id: revision, through: [] }, ...others],
    inScope: testsOf(set),
    shared: new Map(),
  };
};

/** Returns the ids that clusters in exactly these scopes get. */
const sharedBy = ({ others, shared }: View, { folders, key }: Inside): readonly string[] => {
  const known = shared.get(key);
  if (known !== undefined) return known;
  const entered = new Set(folders);
  const ids = new Set(others.filter(({ through }) => through.every((folder) => entered.has(folder))).map(({ id }) => id));
  const list = [...ids];
  shared.set(key, list);
  dropOldest(shared, LISTS_KEPT);
  return list;
};

/** Caches a result. A lookup that found nothing, or failed, is repeated by the next caller. */
const remember = <T>(known: Map<string, Promise<T | null>>, name: string, finding: Promise<T | null>, max: number): Promise<T | null> => {
  // Moved to the end, so that the least recently used one is dropped first.
  const isKnown = known.delete(name);
  known.set(name, finding);
  if (isKnown) return finding;
  const forget = (): boolean => known.delete(name);
  finding.then((found) => found ?? forget(), forget);
  dropOldest(known, max);
  return finding;
};

/**
 * Paths at which the registration of a cluster may be, and between them the folder that its agent
 * looks into for it besides `clusters/`.
 */
type OwnPaths = readonly [flat: string, folder: string, below: string];

const ownPaths = (cluster: string): OwnPaths => {
  const [flat, below] = registrationPaths(cluster);
  return [flat, parentOf(below), below];
};

/**
 * Selects the parts of a commit for each cluster: the objects that its agent walks over
 * (`filesOfRevision`), found here by paths, once for all clusters in the same scopes. A
 * registration is for its cluster alone.
 */
export class RevisionParts {
  readonly #find: GetObject;
  readonly #read: (revision: string) => Promise<RevisionFiles>;
  readonly #reader: ViewReader = { decode: createAloneDecoder(), testsOf: createScopeTester() };
  readonly #views = new Map<string, Promise<View | null>>();
  /**
   * Lock on reading commits. Agents choose which commits are read, so only one is read at a time.
   */
  readonly #reading = new Mutex();
  /** Registrations by cluster and id of the file. */
  readonly #registrations = new Map<string, ManagedClusterDocument | undefined>();

  /** @param read reads all of a commit */
  constructor(find: GetObject, read: (revision: string) => Promise<RevisionFiles>) {
    this.#find = find;
    this.#read = read;
  }

  /** Takes the objects read from a commit, so that they are not read again here. */
  note(revision: string, whole: Whole): void {
    if (!this.#views.has(revision))
      void remember(this.#views, revision, Promise.resolve(viewOf(revision, whole, this.#reader)), VIEWS_KEPT);
  }

  /**
   * Returns the ids of all objects of a commit that concern policies; none if the commit is not in
   * the clone.
   */
  async all(revision: string): Promise<readonly string[]> {
    return (await this.#view(revision))?.all ?? [];
  }

  /** Returns the part of a commit that a cluster gets; null if it is not in the clone. */
  async partOf(revision: string, cluster: string): Promise<RevisionPart | null> {
    const view = await this.#view(revision);
    if (view === null) return null;
    const paths = ownPaths(cluster);
    const inside = await this.#insideOf(view, cluster, paths);
    const own = paths.flatMap((path) => view.registrations.get(path) ?? []);
    return { key: inside.key, shared: sharedBy(view, inside), own };
  }

  #view(revision: string): Promise<View | null> {
    const read = async (): Promise<View | null> => {
      const found = await this.#reading.run(() => this.#read(revision));
      return found.ok ? viewOf(revision, found, this.#reader) : null;
    };
    return remember(this.#views, revision, this.#views.get(revision) ?? read(), VIEWS_KEPT);
  }

  async #insideOf({ inScope, registrations }: View, cluster: string, [flat, , below]: OwnPaths): Promise<Inside> {
    if (inScope.size === 0) return OUTSIDE;
    const id = registrations.get(flat) ?? registrations.get(below);
    const registration = id === undefined ? undefined : await this.#registration(id, cluster);
    return registration === undefined ? OUTSIDE : insideOf(inScope, registration);
  }

  async #registration(id: string, cluster: string): Promise<ManagedClusterDocument | undefined> {
    // The key has the name, too: the file of one cluster's registration is no other cluster's.
    const key = `${cluster} ${id}`;
    if (this.#registrations.has(key)) return this.#registrations.get(key);
    const object = await this.#find(id);
    const [path] = registrationPaths(cluster);
    const files = object?.type === 'blob' ? [{ path, text: decodeText(object.data, 'the file') }] : [];
    const registration = decodeAlone(files).set.clusters[0]?.document;
    this.#registrations.set(key, registration);
    dropOldest(this.#registrations, REGISTRATIONS_KEPT);
    return registration;
  }
}
