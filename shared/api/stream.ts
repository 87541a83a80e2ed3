import { z } from 'zod';
import { CommitSummary } from './activity.ts';
import { ClusterView, EventView, SourceView, StatusView } from './views.ts';

/** Which policies may read differently now; the reader asks for those it shows. */
export const PolicyChange = z.object({
  cluster: z.string().nullable().describe('Where the change was reported; null: the desired state in Git changed.'),
  policies: z.array(z.string()).max(500).nullable().describe('namespace/name; null: too many to name, read the list again.'),
});
export type PolicyChange = z.infer<typeof PolicyChange>;

/** What GET /api/v1/stream sends; `event` is the SSE event type, `data` its JSON. */
export const StreamEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('status'), data: StatusView }),
  z.object({ event: z.literal('source'), data: SourceView }),
  z.object({ event: z.literal('cluster'), data: ClusterView }),
  z.object({ event: z.literal('policy'), data: PolicyChange }),
  z.object({ event: z.literal('event'), data: EventView }),
  z.object({ event: z.literal('commit'), data: CommitSummary }),
  /** The stream cannot go on where the reader left off: read everything again. */
  z.object({ event: z.literal('reset'), data: z.object({}) }),
]);
export type StreamEvent = z.infer<typeof StreamEvent>;
