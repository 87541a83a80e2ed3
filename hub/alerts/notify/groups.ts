import { z } from 'zod';
import type { StoredAlert } from '../alert.ts';
import type { AlertRoute } from './routing.ts';

const STATES = ['pending', 'firing', 'muted', 'resolved'] as const;

/** States in records of older versions, by their letters. */
const LETTERS: Readonly<Record<string, (typeof STATES)[number]>> = { w: 'pending', f: 'firing', m: 'muted', r: 'resolved' };

const State = z.preprocess((state) => (typeof state === 'string' ? (LETTERS[state] ?? state) : state), z.enum(STATES));

/**
 * State of an alert that a receiver knows: `pending` before its first notification, `firing`,
 * `muted` if it was silenced after that, or `resolved`. The start identifies the occurrence of the
 * alert. If the alert begins again, the state of the previous occurrence stays for now.
 */
const KnownState = z.tuple([z.int(), State]);
type KnownState = z.infer<typeof KnownState>;

const Marks = z.record(z.string(), KnownState);
type Marks = z.infer<typeof Marks>;

/**
 * A group of alerts as the ledger stores it: what its receiver knows, and what it is to be notified
 * of.
 */
export const GroupRecord = z.object({
  key: z.string(),
  receiver: z.string(),
  labels: z.record(z.string(), z.string()),
  /** States by fingerprint. */
  told: Marks,
  /**
   * Time since which an alert waits for its first notification, in milliseconds since 1970; null if
   * none waits.
   */
  waitingSince: z.int().nullable(),
  notifiedAt: z.int().nullable(),
  /**
   * A notification that is recorded and may not have been sent, with its key and the states that
   * the receiver knows after it.
   */
  pending: z.object({ key: z.string(), createdAt: z.int(), marks: Marks }).nullable(),
});
export type GroupRecord = Readonly<z.infer<typeof GroupRecord>>;

/** An alert that is in a group now. */
export interface GroupMember {
  readonly alert: StoredAlert;
  /** Whether it is silenced now, or was at its end. */
  readonly silenced: boolean;
}

/** A group with its alerts, from which its next notification is planned. */
export interface GroupInput {
  readonly record: GroupRecord;
  readonly members: readonly GroupMember[];
  readonly route: Pick<AlertRoute, 'groupWaitMs' | 'groupIntervalMs' | 'repeatIntervalMs'>;
  readonly sendResolved: boolean;
  readonly nowMs: number;
}

/**
 * Next step of a group: a write of its record, with or without a notification, or nothing before
 * `atMs`.
 */
export interface GroupPlan {
  /** undefined if there is nothing to write. */
  readonly record: GroupRecord | undefined;
  /** Time of the next plan, in milliseconds since 1970; Infinity if only a change needs one. */
  readonly atMs: number;
}

interface Change {
  /** State that the receiver knows afterwards. */
  readonly to: KnownState | 'forget';
  /** Whether the receiver is notified of the change. */
  readonly notify: boolean;
}

const isOpen = (told: KnownState | undefined): boolean => told?.[1] === 'firing' || told?.[1] === 'muted';

/**
 * Change of the state that a receiver knows of an alert; undefined if there is none. The known
 * state may be about an earlier occurrence of the alert: if that was firing, the receiver is
 * notified of the end.
 */
const changeOf = (told: KnownState | undefined, { alert: { startsAt, endsAt }, silenced }: GroupMember): Change | undefined => {
  if (endsAt !== null) return endOf(told, startsAt, silenced);
  if (silenced) return silenceOf(told, startsAt);
  return told?.[1] === 'firing' && told[0] === startsAt ? undefined : { to: [startsAt, 'firing'], notify: true };
};

/**
 * Change for a silenced alert: if it was pending, it is forgotten; if it was firing, it is muted.
 */
const silenceOf = (told: KnownState | undefined, startsAt: number): Change | undefined => {
  if (told?.[1] === 'pending') return { to: 'forget', notify: false };
  return told?.[1] === 'firing' ? { to: [startsAt, 'muted'], notify: false } : undefined;
};

/**
 * Change for an alert that has ended; undefined if the receiver does not know it, or knows its end.
 * The end of a silenced alert is notified if its start was.
 */
const endOf = (told: KnownState | undefined, startsAt: number, silenced: boolean): Change | undefined => {
  if (told === undefined || told[1] === 'resolved') return undefined;
  if (told[1] === 'pending' && silenced) return { to: 'forget', notify: false };
  return { to: [startsAt, 'resolved'], notify: true };
};

interface Changes {
  /** States to be notified. */
  readonly marks: Record<string, KnownState>;
  /** States recorded without a notification. */
  readonly told: Record<string, KnownState>;
  /** Whether some alerts begin, or begin again after a silence. */
  readonly hasNew: boolean;
  /** Whether some alerts fire, are not silenced and were notified before. */
  readonly hasOngoing: boolean;
}

type ChangesDraft = { -readonly [K in keyof Changes]: Changes[K] };

/** Adds the new state of an alert. */
const noteChange = (draft: ChangesDraft, fingerprint: string, to: KnownState, isQuiet: boolean): void => {
  if (isQuiet) draft.told[fingerprint] = to;
  else draft.marks[fingerprint] = to;
  if (to[1] !== 'firing') return;
  draft.hasNew = true;
  // Recorded at once, so that an alert that ends before its first notification is notified, too.
  // One that the receiver knows as firing or muted needs no such record.
  if (!isOpen(draft.told[fingerprint])) draft.told[fingerprint] = [to[0], 'pending'];
};

/**
 * Whether a change is recorded without a notification. The end of a pending alert is notified even
 * if the receiver gets no ends, as it was never notified of the alert.
 */
const isQuiet = (before: KnownState | undefined, { to, notify }: Change, sendResolved: boolean): boolean =>
  !notify || (to[1] === 'resolved' && !sendResolved && before?.[1] !== 'pending');

/** Adds an alert of the group to the changes. */
const noteMember = (draft: ChangesDraft, before: KnownState | undefined, member: GroupMember, sendResolved: boolean): void => {
  const { fingerprint, endsAt } = member.alert;
  const change = changeOf(before, member);
  if (change?.to === 'forget') return;
  if (before !== undefined) draft.told[fingerprint] = before;
  if (change === undefined) draft.hasOngoing ||= before?.[1] === 'firing' && endsAt === null;
  else noteChange(draft, fingerprint, change.to, isQuiet(before, change, sendResolved));
};

/** Adds an alert that has left the group for another route: in this group it counts as ended. */
const noteGone = (draft: ChangesDraft, fingerprint: string, before: KnownState, sendResolved: boolean): void => {
  const change = endOf(before, before[0], false);
  if (change === undefined || change.to === 'forget') return;
  draft.told[fingerprint] = before;
  noteChange(draft, fingerprint, change.to, isQuiet(before, change, sendResolved));
};

/**
 * Compares the states that the receiver knows with the members. Alerts known as resolved that are
 * no members any more are forgotten.
 */
const compare = ({ record, members, sendResolved }: GroupInput): Changes => {
  const draft: ChangesDraft = { marks: {}, told: {}, hasNew: false, hasOngoing: false };
  const gone = new Map(Object.entries(record.told));
  for (const member of members) {
    const { fingerprint } = member.alert;
    gone.delete(fingerprint);
    noteMember(draft, record.told[fingerprint], member, sendResolved);
  }
  for (const [fingerprint, before] of gone) noteGone(draft, fingerprint, before, sendResolved);
  return draft;
};

const isSame = (a: Marks, b: Marks): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([fingerprint, [startsAt, state]]) => b[fingerprint]?.[0] === startsAt && b[fingerprint][1] === state);

/**
 * Adds a duration to a time. A time that lies further ahead than the duration, as the clock was set
 * back, gives a result in the past: so nothing waits for more than twice the duration.
 */
const timeAfter = (sinceMs: number, ms: number, nowMs: number): number => (sinceMs > nowMs + ms ? Number.NEGATIVE_INFINITY : sinceMs + ms);

const dueOf = ({ record, route, nowMs }: GroupInput, { marks, hasNew, hasOngoing }: Changes, waitingSince: number | null): number => {
  const { notifiedAt } = record;
  const next = notifiedAt === null ? Number.NEGATIVE_INFINITY : timeAfter(notifiedAt, route.groupIntervalMs, nowMs);
  const repeat = hasOngoing && notifiedAt !== null ? timeAfter(notifiedAt, route.repeatIntervalMs, nowMs) : Number.POSITIVE_INFINITY;
  if (Object.keys(marks).length === 0) return repeat;
  const wait = hasNew && waitingSince !== null ? timeAfter(waitingSince, route.groupWaitMs, nowMs) : Number.NEGATIVE_INFINITY;
  return Math.min(Math.max(next, wait), repeat);
};

/** Creates the record of a group whose receiver was not notified yet. */
export const newGroup = (key: string, receiver: string, labels: GroupRecord['labels']): GroupRecord => ({
  key,
  receiver,
  labels,
  told: {},
  waitingSince: null,
  notifiedAt: null,
  pending: null,
});

/**
 * State of an alert once the pending notification is delivered. An alert that has become pending
 * after the notification was recorded stays pending.
 */
const settled = (told: KnownState | undefined, mark: KnownState | undefined): KnownState | undefined => {
  if (mark === undefined) return told;
  return mark[1] === 'resolved' && told?.[1] === 'pending' && told[0] !== mark[0] ? told : mark;
};

/** Records alerts that begin while a notification is under way; they wait for the next one. */
const noteNew = (record: GroupRecord, pending: NonNullable<GroupRecord['pending']>, { members, nowMs }: GroupInput): GroupPlan => {
  const isKnown = ({ fingerprint }: StoredAlert): boolean =>
    (settled(record.told[fingerprint], pending.marks[fingerprint])?.[1] ?? 'resolved') !== 'resolved';
  const begun = members.filter(({ alert, silenced }) => alert.endsAt === null && !silenced && !isKnown(alert));
  const waiting = begun.map(({ alert }): [string, KnownState] => [alert.fingerprint, [alert.startsAt, 'pending']]);
  const told = { ...record.told, ...Object.fromEntries(waiting) };
  if (isSame(told, record.told)) return { record: undefined, atMs: Number.POSITIVE_INFINITY };
  return { record: { ...record, told, waitingSince: record.waitingSince ?? nowMs }, atMs: Number.POSITIVE_INFINITY };
};

/**
 * Plans the next step of a group from what its receiver knows and its current alerts. Pure.
 *
 * @param newKey makes the key of a notification
 */
export const planGroup = (input: GroupInput, newKey: () => string): GroupPlan => {
  const { record, nowMs } = input;
  // A notification under way is delivered first, as it was recorded.
  if (record.pending !== null) return noteNew(record, record.pending, input);
  const changes = compare(input);
  const waitingSince = changes.hasNew ? (record.waitingSince ?? nowMs) : null;
  const dueMs = dueOf(input, changes, waitingSince);
  const isDue = dueMs <= nowMs;
  const isChanged = waitingSince !== record.waitingSince || !isSame(changes.told, record.told);
  if (!isDue && !isChanged) return { record: undefined, atMs: dueMs };
  const { told, marks } = changes;
  const pending = isDue ? { key: newKey(), createdAt: nowMs, marks } : null;
  return { record: { ...record, told, waitingSince, pending }, atMs: isDue ? Number.POSITIVE_INFINITY : dueMs };
};

/** Updates the record after its notification was delivered, or refused for good. */
export const settleGroup = (record: GroupRecord, key: string, nowMs: number): GroupRecord => {
  if (record.pending?.key !== key) return record;
  const told = { ...record.told };
  for (const [fingerprint, mark] of Object.entries(record.pending.marks)) told[fingerprint] = settled(told[fingerprint], mark) ?? mark;
  const isWaiting = Object.values(told).some(([, state]) => state === 'pending');
  return { ...record, told, waitingSince: isWaiting ? record.waitingSince : null, notifiedAt: nowMs, pending: null };
};
