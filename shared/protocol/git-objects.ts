import { z } from 'zod';

/** Id of a Git object. */
export const ObjectId = z.string().regex(/^[0-9a-f]{40}([0-9a-f]{24})?$/, 'must be a Git object id');

/** Whole Git object. `data` is the content without the object header, base64. */
export const WholeObject = z.strictObject({ id: ObjectId, type: z.enum(['commit', 'tree', 'blob']), data: z.base64() });
export type WholeObject = z.infer<typeof WholeObject>;

/**
 * Tree as edits of one that the agent holds. Each edit: offset, number of bytes to remove, and
 * bytes to insert, base64.
 */
const EditedTree = z.strictObject({
  id: ObjectId,
  base: ObjectId,
  edits: z.array(z.tuple([z.int().min(0), z.int().min(0), z.base64()])).max(10_000),
});

/** Git object in a frame: whole, or a tree as edits of one that the agent holds. */
export const GitObject = z.union([WholeObject, EditedTree]);
export type GitObject = z.infer<typeof GitObject>;
