import { type ClusterEvent, MAX_MESSAGE, type NewAuditEntry, type SourceView } from '@fso/shared/api';
import { type Runtime, truncate } from '@fso/shared/runtime';
import type { FleetState, Journal, Lease } from '../ledger/index.ts';
import type { Source } from '../source/index.ts';

type NewEvent = Omit<ClusterEvent, 'time'>;

const describeProblem = (rejected: NonNullable<SourceView['rejected']>): string => {
  const [first] = rejected.problems;
  const code = first?.code === undefined ? '' : `${first.code}: `;
  const place = first?.path === undefined ? code : `${first.path}:${first.line ?? 1}:${first.column ?? 1}: `;
  const more = rejected.problems.length > 1 ? ` (and ${rejected.problems.length - 1} more)` : '';
  return truncate(`${place}${first?.reason ?? 'unknown'}${more}`, MAX_MESSAGE);
};

/** Event of a commit that failed verification but was accepted because of FSO_VERIFY=warn. */
const notTrusted = (revision: string, why = 'unknown'): NewEvent => ({
  severity: 'alert',
  reason: 'RevisionNotTrusted',
  message: truncate(`taken all the same, ${why}`, MAX_MESSAGE),
  revision,
});

/** Lists the events of a change of the source. Pure. */
export const eventsOf = (before: SourceView, after: SourceView): readonly NewEvent[] => {
  const events: NewEvent[] = [];
  const { revision, rejected, error, verification } = after;
  if (revision !== null && revision.revision !== before.revision?.revision) {
    events.push({
      severity: 'info',
      reason: 'RevisionAccepted',
      message: truncate(revision.subject, MAX_MESSAGE),
      revision: revision.revision,
    });
    if (verification?.state === 'failed') events.push(notTrusted(revision.revision, verification.reason));
  }
  if (rejected !== null && rejected.commit.revision !== before.rejected?.commit.revision)
    events.push({ severity: 'alert', reason: 'CommitRejected', message: describeProblem(rejected), revision: rejected.commit.revision });
  if (error !== null && error.message !== before.error?.message)
    events.push({ severity: 'alert', reason: 'SourceUnreachable', message: error.message });
  if (error === null && before.error !== null)
    events.push({ severity: 'info', reason: 'SourceReachable', message: 'The repository can be read again.' });
  return events;
};

/**
 * Keeps the view of an earlier run until the first fetch of this one has ended. Finding the same
 * revision again, or the same refused one, is not a new event. Pure.
 */
export const carryOver = (before: SourceView, view: SourceView): SourceView =>
  view.lastFetch !== null
    ? view
    : { ...view, revision: view.revision ?? before.revision, rejected: view.rejected ?? before.rejected, lastFetch: before.lastFetch };

const isSameRepository = (one: SourceView, other: SourceView): boolean => one.url === other.url && one.ref === other.ref;

interface RecordSourceDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly ledger: Pick<FleetState, 'source'> & Pick<Journal, 'setSource' | 'addEvent'> & Pick<Lease, 'leads' | 'onLead'>;
}

/**
 * Keeps the ledger's view of the source current and records its events. Only the leading hub does;
 * a new leader continues from the view in the ledger.
 */
export const recordSource = async (source: Source, deps: RecordSourceDeps): Promise<void> => {
  const { ledger, clock, logger } = deps;
  let before = source.state();
  const record = async (state: SourceView): Promise<void> => {
    const view = carryOver(before, state);
    const time = clock.now().toISOString();
    const events = eventsOf(before, view);
    before = view;
    await Promise.all([ledger.setSource(view), ...events.map((event) => ledger.addEvent(null, { ...event, time }))]);
  };
  const failed = (err: unknown): void => logger.error({ err }, 'ledger write failed');
  let begun: Promise<void> | undefined;
  ledger.onLead(() => {
    begun = (async () => {
      const stored = await ledger.source();
      const state = source.state();
      before = stored !== null && isSameRepository(stored, state) ? stored : { ...state, revision: null, rejected: null, error: null };
      await record(state);
    })().catch(failed);
  });
  await begun;
  source.onChange((view) => {
    if (ledger.leads()) record(view).catch(failed);
  });
};

/** Audit entry for a start or stop of the hub. */
export const lifeEntry = (action: 'hub.start' | 'hub.stop', version: string, detail: NewAuditEntry['detail'] = {}): NewAuditEntry => ({
  actor: { kind: 'hub', id: 'hub', roles: [] },
  from: null,
  action,
  subject: version,
  detail,
});
