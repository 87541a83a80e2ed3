import type { AloneDecoder } from '../decode/index.ts';
import type { SignerFiles } from '../signatures/index.ts';
import type { RawObject } from './objects.ts';

/** Folder at the root of the policy repository that says who may sign its commits. */
export const SIGNERS_FOLDER = 'signers';

/** Its files; others in the folder are not read. */
export const SIGNERS_FILES: Readonly<Record<string, keyof SignerFiles>> = {
  allowed_signers: 'allowedSigners',
  'keyring.asc': 'keyring',
};

/** Looks up a Git object by id; undefined: it is not there. */
export type GetObject = (id: string) => RawObject | undefined | Promise<RawObject | undefined>;

/** Bounds of what one commit may make a reader load. */
export interface WalkLimits {
  readonly maxObjects: number;
  readonly maxBlobBytes: number;
  readonly maxTotalBytes: number;
  /** Folders within folders. */
  readonly maxDepth: number;
}

/**
 * Bounds on the policy of a commit. With base64 and ids, all of it fits into one frame to an agent
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
   * Reads only what concerns this cluster: of the registrations its own, and no folder of policies
   * whose scope it is outside of.
   */
  readonly cluster?: string | undefined;
  /**
   * Decodes the registration and the groups of regions. One that is kept parses only what has
   * changed since the last commit.
   */
  readonly decode?: AloneDecoder;
}
