import type { ManagedClusterDocument } from '@fso/shared/api';
import {
  decodeAlone,
  FOLDERS,
  folderOf,
  isInScope,
  nameOf,
  parentOf,
  type RegionGroups,
  regionGroupsOf,
  registrationPaths,
  SCOPE_FILE,
  type Scopes,
  type SourceFile,
  scopesAbove,
  scopesOf,
} from '@fso/shared/decode';
import { byText } from '@fso/shared/encoding';
import { decodeText, filesOfRevision, type GetObject, type RevisionFiles } from '@fso/shared/git';
import { dropOldest, Mutex } from '@fso/shared/runtime';
import type { RevisionPart } from './types.ts';

/** Commits of which it is known who gets what: the one in force, and what agents lag behind with. */
const VIEWS_KEPT = 16;
/** Lists of ids that are kept, for each commit and set of scopes. */
const PARTS_KEPT = 256;
const REGISTRATIONS_KEPT = 20_000;

type Whole = Extract<RevisionFiles, { ok: true }>;

/** What of a commit decides who gets what of it. */
interface View {
  readonly all: readonly string[];
  /** Ids of the files and folders below `clusters/`, by path. */
  readonly registrations: ReadonlyMap<string, string>;
  readonly groups: RegionGroups;
  readonly scopes: Scopes;
}

const viewOf = ({ files, objects, ids }: Whole): View => {
  const inFolder = (kind: keyof typeof FOLDERS): readonly SourceFile[] => files.filter(({ path }) => folderOf(path) === FOLDERS[kind]);
  const { set } = decodeAlone([...inFolder('RegionGroup'), ...inFolder('PolicyScope').filter(({ path }) => nameOf(path) === SCOPE_FILE)]);
  return {
    all: [...objects.keys()],
    registrations: new Map([...ids].filter(([path]) => path.startsWith(`${FOLDERS.ManagedCluster}/`))),
    groups: regionGroupsOf(set),
    scopes: scopesOf(set),
  };
};

/** Keeps what was found; what could not be found, or failed, is looked for again by the next who asks. */
const remember = <T>(known: Map<string, Promise<T | null>>, name: string, finding: Promise<T | null>, max: number): Promise<T | null> => {
  known.set(name, finding);
  const forget = (): boolean => known.delete(name);
  finding.then((found) => found ?? forget(), forget);
  dropOldest(known, max);
  return finding;
};

/**
 * Says what of a commit is for which cluster. What clusters in the same scopes share is found once, by the walk that their agents
 * make; a registration is for its cluster alone.
 */
export class RevisionParts {
  readonly #find: GetObject;
  readonly #read: (revision: string) => Promise<RevisionFiles>;
  readonly #views = new Map<string, Promise<View | null>>();
  readonly #shared = new Map<string, Promise<readonly string[] | null>>();
  /** Agents name commits: only one is read through at a time, whatever they name. */
  readonly #reading = new Mutex();
  /** By id of the file. */
  readonly #registrations = new Map<string, ManagedClusterDocument | undefined>();

  /** @param read reads all of a commit */
  constructor(find: GetObject, read: (revision: string) => Promise<RevisionFiles>) {
    this.#find = find;
    this.#read = read;
  }

  /** Takes what was read of a commit, so that it is not read again for this. */
  note(revision: string, whole: Whole): void {
    if (!this.#views.has(revision)) void remember(this.#views, revision, Promise.resolve(viewOf(whole)), VIEWS_KEPT);
  }

  /** @param cluster null: the whole commit */
  async partOf(revision: string, cluster: string | null): Promise<RevisionPart | null> {
    const view = await this.#view(revision);
    if (view === null) return null;
    if (cluster === null) return { key: '*', shared: view.all, own: [] };
    const own = this.#ownOf(view, cluster);
    const key = await this.#keyOf(view, cluster);
    const shared = await this.#sharedBy(revision, key, { cluster, own });
    return shared && { key, shared, own };
  }

  #view(revision: string): Promise<View | null> {
    const read = async (): Promise<View | null> => {
      const found = await this.#reading.run(() => this.#read(revision));
      return found.ok ? viewOf(found) : null;
    };
    return this.#views.get(revision) ?? remember(this.#views, revision, read(), VIEWS_KEPT);
  }

  /** Its registration, and the folder that the agent looks into for it besides `clusters/`. */
  #ownOf({ registrations }: View, cluster: string): readonly string[] {
    const [flat, below] = registrationPaths(cluster);
    return [flat, parentOf(below), below].flatMap((path) => registrations.get(path) ?? []);
  }

  /** The scopes that a cluster is in. */
  async #keyOf({ scopes, groups, registrations }: View, cluster: string): Promise<string> {
    if (scopes.size === 0) return '';
    const ids = registrationPaths(cluster).flatMap((path) => registrations.get(path) ?? []);
    const registration = ids[0] === undefined ? undefined : await this.#registration(ids[0], cluster);
    const inside = [...scopes.keys()].filter((folder) =>
      scopesAbove(`${folder}/`, scopes).every(({ document }) => isInScope(document, registration, groups)),
    );
    return inside.sort(byText).join('\n');
  }

  async #registration(id: string, cluster: string): Promise<ManagedClusterDocument | undefined> {
    if (this.#registrations.has(id)) return this.#registrations.get(id);
    const object = await this.#find(id);
    const [path] = registrationPaths(cluster);
    const files = object?.type === 'blob' ? [{ path, text: decodeText(object.data, 'the file') }] : [];
    const registration = decodeAlone(files).set.clusters[0]?.document;
    this.#registrations.set(id, registration);
    dropOldest(this.#registrations, REGISTRATIONS_KEPT);
    return registration;
  }

  #sharedBy(
    revision: string,
    key: string,
    { cluster, own }: { readonly cluster: string; readonly own: readonly string[] },
  ): Promise<readonly string[] | null> {
    const name = `${revision} ${key}`;
    const walk = async (): Promise<readonly string[] | null> => {
      const read = await filesOfRevision(revision, this.#find, { cluster });
      return read.ok ? [...read.objects.keys()].filter((id) => !own.includes(id)) : null;
    };
    return this.#shared.get(name) ?? remember(this.#shared, name, walk(), PARTS_KEPT);
  }
}
