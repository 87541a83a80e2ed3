import { z } from 'zod';
import { CommitView } from './views.ts';

/** What Git says of one policy. */

export const PolicySourceView = z.object({
  path: z.string(),
  line: z.int().describe('First line of the document.'),
  revision: z.string().describe('Commit that it was read at: the one in force.'),
  yaml: z.string().describe('The document as it stands in Git, comments included; at most 1 MiB.'),
});
export type PolicySourceView = z.infer<typeof PolicySourceView>;

export const PolicyRevision = z.object({
  commit: CommitView,
  change: z.enum(['added', 'changed', 'removed']),
  path: z.string(),
  yaml: z.string().nullable().describe('The document as of this commit; null: removed.'),
});
export type PolicyRevision = z.infer<typeof PolicyRevision>;

export const PolicyHistory = z.object({
  items: z.array(PolicyRevision).describe('Newest first, at most 50.'),
  complete: z.boolean().describe('Whether it reaches back to the first commit.'),
});
export type PolicyHistory = z.infer<typeof PolicyHistory>;
