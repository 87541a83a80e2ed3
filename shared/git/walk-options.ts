import type { AloneDecoder } from '../decode/index.ts';
import type { SignerFiles } from '../signatures/index.ts';
import type { RawObject } from './objects.ts';

/** Folder at the root of the policy repository that defines who may sign its commits. */
export const SIGNERS_FOLDER = 'signers';

/** Files in the folder that are read. */
export const SIGNERS_FILES: Readonly<Record<string, keyof SignerFiles>> = {
  allowed_signers: 'allowedSigners',
  'keyring.asc': 'keyring',
};

/** Looks up a Git object by id; undefined if it is missing. */
export type GetObject = (id: string) => RawObject | undefined | Promise<RawObject | undefined>;

/** Bounds on what one commit may make a reader load. */
export interface WalkLimits {
  readonly maxObjects: number;
  readonly maxBlobBytes: number;
  readonly maxTotalBytes: number;
  /** Most nested folders. */
  readonly maxDepth: number;
}

/**
 * Bounds on the policies of a commit. With base64 and ids, they fit into one frame to an agent
 * (`MAX_HUB_FRAME_BYTES`), without a chain.
 */
export const DEFAULT_WALK_LIMITS: WalkLimits = {
  maxObjects: 50_000,
  maxBlobBytes: 1024 * 1024,
  maxTotalBytes: 8 * 1024 * 1024,
  maxDepth: 16,
};

/** Limits of a walk, and the cluster whose part of the repository it reads. */
export interface WalkOptions {
  readonly limits?: WalkLimits;
  /**
   * Restricts the walk to what concerns this cluster: its own registration, and the folders of
   * policies whose scope includes it.
   */
  readonly cluster?: string | undefined;
  /**
   * Decodes the registration and the groups of regions. A reused decoder parses only what changed
   * since the last commit.
   */
  readonly decode?: AloneDecoder;
}
