import type { AuditEntry } from '@fso/shared/api';
import type { AuditLog, AuditQuery } from './types.ts';

export const matchesAudit = (entry: AuditEntry, { before, action, actor, subject }: AuditQuery): boolean =>
  (before === undefined || entry.sequence < before) &&
  (action === undefined || entry.action === action) &&
  (actor === undefined || entry.actor.id === actor) &&
  (subject === undefined || entry.subject === subject);

/** Reads a log forwards, a page at a time. */
export async function* readAudit(log: Pick<AuditLog, 'after'>, pageSize = 1000): AsyncGenerator<AuditEntry> {
  let last = 0;
  for (;;) {
    const page = await log.after(last, pageSize);
    yield* page;
    last = page.at(-1)?.sequence ?? last;
    if (page.length < pageSize) return;
  }
}
