/** Bounds on what is read from a repository that is not trusted yet. */
export interface DecodeLimits {
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  /** Nested collections within a document. */
  readonly maxDepth: number;
  /** Entries of one collection: looking for duplicate keys takes time with the square of it. */
  readonly maxEntries: number;
  readonly maxDocumentsPerFile: number;
  readonly maxDocuments: number;
  /** No more problems than these are listed, nor looked for. */
  readonly maxProblems: number;
}

export const DEFAULT_LIMITS: DecodeLimits = {
  maxFiles: 20_000,
  maxFileBytes: 256 * 1024,
  maxDepth: 32,
  maxEntries: 2000,
  maxDocumentsPerFile: 1000,
  maxDocuments: 20_000,
  maxProblems: 100,
};
