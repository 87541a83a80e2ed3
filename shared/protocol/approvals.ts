import { z } from 'zod';
import { ObjectId } from './git-objects.ts';

/** Most tags of a frame. */
export const MAX_APPROVAL_TAGS = 32;
/** Largest tag of an approval, in bytes. */
export const MAX_TAG_BYTES: number = 16 * 1024;

/**
 * Signed tags about a commit: approvals of it, and revocations of approvals. The hub found them in
 * the repository; each agent judges them itself. A frame replaces all earlier ones.
 */
export const Approvals = z.strictObject({
  type: z.literal('approvals'),
  revision: ObjectId,
  /** Tag objects, without the object header, base64. */
  tags: z.array(z.base64().max(Math.ceil(MAX_TAG_BYTES / 3) * 4)).max(MAX_APPROVAL_TAGS),
});
export type Approvals = z.infer<typeof Approvals>;
