import type { CommitView, ProblemView, RevisionVerification } from '@fso/shared/api';
import type { PolicySet } from '@fso/shared/decode';
import type { GitObject } from '@fso/shared/protocol';
import type { ProxyConfig, Secret } from '@fso/shared/runtime';
import type { TrustConfig } from '@fso/shared/trust';

/** Bounds of what is read from the repository. */
export interface SourceLimits {
  /** Bytes of one answer of the Git server, a pack included. */
  readonly responseBytes: number;
  /**
   * Maximum number of commits searched for the path between two; also the longest chain of an
   * offer.
   */
  readonly chain: number;
  /**
   * Maximum memory of the clone in bytes, see `Clone.weight`. Beyond it the clone is fetched again
   * from the start.
   */
  readonly cloneBytes: number;
}

/** Limits of the repository in production; tests set smaller ones. */
export const DEFAULT_LIMITS: SourceLimits = { responseBytes: 20 * 1024 * 1024, chain: 10_000, cloneBytes: 64 * 1024 * 1024 };

/** User name and password for the Git server. */
export interface GitCredentials {
  readonly username: string;
  readonly password: Secret;
}

/** A program that prints what goes into the header Authorization; run without a shell. */
export interface AuthCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Repository to follow, signers to trust, and the data folder. */
export interface SourceOptions {
  /** http or https, without credentials. */
  readonly url: string;
  /** Branch, tag or full ref name. */
  readonly ref: string;
  /** Folder of the bare clone and the last good revision. Nothing else may be in it. */
  readonly dataDir: string;
  readonly pollMs: number;
  /** Timeout of a request to the Git server, in milliseconds. Default: 30 s. */
  readonly timeoutMs?: number;
  /** Proxy to the Git server; undefined to connect directly. */
  readonly proxy?: ProxyConfig | undefined;
  readonly credentials?: GitCredentials | undefined;
  /** Program that replaces the credentials. */
  readonly authCommand?: AuthCommand | undefined;
  /** Verification of commits: its mode and the trusted signers. */
  readonly trust: TrustConfig;
  /** Fetches after which the next start makes a new clone. Default 64. */
  readonly maxPacks?: number;
  readonly limits?: Partial<SourceLimits>;
  /** Page of a commit, with `{revision}` for its id. */
  readonly commitUrl?: string | undefined;
}

/**
 * Part of a commit that a cluster gets: ids of the commit, the folders on the way to files that
 * concern it, and these files.
 */
export interface RevisionPart {
  /** The scopes that the cluster is in: clusters with the same ones share all but their own. */
  readonly key: string;
  readonly shared: readonly string[];
  /** Ids for this cluster alone: those of its registration. */
  readonly own: readonly string[];
}

/** Read access of delivery to the repository. Ids are Git object ids. */
export interface ObjectAccess {
  /** Returns the part of a commit that a cluster gets; null if it is not in the clone. */
  partOf(revision: string, cluster: string): Promise<RevisionPart | null>;
  /**
   * Returns the commits from `from` (exclusive) to `to` (inclusive), oldest first, each a parent of
   * the next: along first parents if these lead there, else a shortest path. Null if `to` does not
   * descend from `from`.
   */
  chain(from: string, to: string): Promise<readonly string[] | null>;
  /**
   * Returns the ids of the objects that prove a chain: its commits, and of each the folder of
   * trusted signers, where it changes.
   */
  proof(chain: readonly string[]): Promise<readonly string[]>;
  /**
   * Maps the id of each tree of `to` that replaces a tree of `from` to the id of the replaced tree.
   */
  counterparts(from: string, to: string): Promise<ReadonlyMap<string, string>>;
  /**
   * Reads an object.
   *
   * @param base a tree that the reader holds; the object may be returned as its difference from
   * that tree
   */
  read(id: string, base?: string): Promise<GitObject>;
}

/** Times of step ① for a commit; RFC 3339. */
export interface SourceTimes {
  /** Start of the fetch that found it. */
  readonly noticed: string;
  /** Time at which its objects had been fetched. */
  readonly fetched: string;
  /** Time at which it was accepted or refused. */
  readonly judged: string;
}

/** A commit that was read, decoded and found good. */
export interface SourceRevision {
  readonly commit: CommitView;
  readonly set: PolicySet;
  readonly verification: RevisionVerification;
  readonly times: SourceTimes;
  /** Whether it was restored at start rather than fetched. */
  readonly restored: boolean;
}

/** A commit that was refused. */
export interface RejectedRevision {
  readonly commit: CommitView;
  readonly problems: readonly ProblemView[];
  readonly times: SourceTimes;
}
