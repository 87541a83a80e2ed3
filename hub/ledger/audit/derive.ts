import type { AuditActor, NewAuditEntry, SourceView } from '@fso/shared/api';
import { byText, canonicalJson } from '@fso/shared/encoding';
import { truncate } from '@fso/shared/runtime';
import { type Change, isRepeated } from '../changes.ts';
import type { ClusterRecord } from '../types.ts';

/** State of the ledger before a change. */
export interface LedgerBefore {
  readonly source: SourceView | null;
  readonly desired: string | null;
  readonly cluster: (name: string) => ClusterRecord;
}

const HUB: AuditActor = { kind: 'hub', id: 'hub', roles: [] };
const MAX_REASONS = 10;
const REFUSAL = 'revision.refuse';
const CONNECTION = 'cluster.connect';

const ofSource = (before: SourceView | null, { revision, rejected }: SourceView): NewAuditEntry[] => {
  const entries: NewAuditEntry[] = [];
  const by = (author: string): AuditActor => ({ kind: 'git', id: author.slice(0, 512), roles: [] });
  if (revision !== null && revision.revision !== before?.revision?.revision)
    entries.push({
      actor: by(revision.author),
      from: null,
      action: 'revision.accept',
      subject: revision.revision,
      detail: { subject: truncate(revision.subject, 1024), committed: revision.time },
    });
  if (rejected !== null && rejected.commit.revision !== before?.rejected?.commit.revision)
    entries.push({
      actor: by(rejected.commit.author),
      from: null,
      action: 'revision.reject',
      subject: rejected.commit.revision,
      detail: {
        subject: truncate(rejected.commit.subject, 1024),
        problems: rejected.problems.length,
        first: rejected.problems[0] === undefined ? null : truncate(rejected.problems[0].reason, 1024),
      },
    });
  return entries;
};

const ofAgent = (cluster: string, action: string, subject: string, detail: NewAuditEntry['detail']): NewAuditEntry => ({
  actor: { kind: 'agent', id: cluster, roles: [] },
  from: null,
  action,
  subject,
  detail,
});

/**
 * Returns the audit entries of a change. They are written in the transaction of the change. Pure.
 */
export const auditOf = (change: Change, before: LedgerBefore): readonly NewAuditEntry[] => {
  switch (change.type) {
    case 'audit':
      return [change.entry];
    case 'source':
      return ofSource(before.source, change.source);
    case 'desired':
      if (change.revision === before.desired) return [];
      return [{ actor: HUB, from: null, action: 'desired.set', subject: change.revision, detail: { before: before.desired } }];
    case 'connected':
      if (!change.connected || before.cluster(change.cluster).lastSeen !== null) return [];
      return [ofAgent(change.cluster, CONNECTION, change.cluster, { first: true })];
    case 'nack': {
      if (!change.told || isRepeated(before.cluster(change.cluster).nack, change.nack)) return [];
      const reasons = change.nack.reasons.slice(0, MAX_REASONS).map(({ message }) => truncate(message, 1024));
      return [ofAgent(change.cluster, REFUSAL, change.nack.revision, { cluster: change.cluster, reasons })];
    }
    default:
      return [];
  }
};

/** Audit entry with the time of its action. */
export interface TimedEntry {
  readonly entry: NewAuditEntry;
  /** RFC 3339. */
  readonly time: string;
}

/** Maximum number of clusters named in one entry. */
const MAX_CLUSTERS = 500;
/** Length of an RFC 3339 time up to its minute. */
const MINUTE = 16;

/**
 * Returns the key by which similar entries are joined; undefined: the entry is not joined. The key
 * includes the minute, because entries are searched by time.
 */
const likenessOf = ({ entry: { action, subject, detail }, time }: TimedEntry): string | undefined => {
  const minute = time.slice(0, MINUTE);
  if (action === CONNECTION) return canonicalJson([action, minute]);
  return action === REFUSAL ? canonicalJson([action, minute, subject, detail['reasons']]) : undefined;
};

const joined = (alike: readonly TimedEntry[]): TimedEntry => {
  const [first, ...others] = alike as [TimedEntry, ...TimedEntry[]];
  if (others.length === 0) return first;
  const { action, subject, detail } = first.entry;
  const { cluster: _cluster, ...common } = detail;
  const clusters = [...new Set(alike.map(({ entry }) => entry.actor.id))].sort(byText);
  const about = action === CONNECTION ? `${clusters.length} clusters` : subject;
  const entry = { actor: HUB, from: null, action, subject: about, detail: { clusters, ...common } };
  return { entry, time: alike.at(-1)?.time ?? first.time };
};

/**
 * Merges similar audit entries that are written together (refusals of one commit for the same
 * reasons, or first connections) into one by the hub that lists the clusters, as each entry goes to
 * every agent with the next checkpoint. It takes the place of the last one.
 */
export const joinAlike = (entries: readonly TimedEntry[]): readonly TimedEntry[] => {
  const open = new Map<string, TimedEntry[]>();
  const places = entries.map((entry): readonly TimedEntry[] => {
    const likeness = likenessOf(entry);
    if (likeness === undefined) return [entry];
    const before = open.get(likeness);
    const group = before === undefined || before.length === MAX_CLUSTERS ? [] : before;
    open.set(likeness, group);
    group.push(entry);
    return group;
  });
  return places.flatMap((group, at) => (group.at(-1) === entries[at] ? [joined(group)] : []));
};
