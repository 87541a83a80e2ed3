import { z } from 'zod';
import type { StoredAlert } from '../alert.ts';
import type { Route } from './routing.ts';

/**
 * What a receiver knows of an alert: `w`, nothing yet, but it is to know; `f`, that it fires; `m`, that it fires, and then it was silenced;
 * `r`, that it has ended. The start says of which time of the alert that is; one that begins again leaves a mark of the time before.
 */
const Told = z.tuple([z.int(), z.enum(['w', 'f', 'm', 'r'])]);
type Told = z.infer<typeof Told>;

const Marks = z.record(z.string(), Told);
type Marks = z.infer<typeof Marks>;

/** A group of alerts as the ledger keeps it: what its receiver was told, and what it is to be told. */
export const GroupRecord = z.object({
  key: z.string(),
  receiver: z.string(),
  labels: z.record(z.string(), z.string()),
  /** By fingerprint. */
  told: Marks,
  /** Since when an alert waits to be told for the first time: ms since 1970; null: none does. */
  waitingSince: z.int().nullable(),
  notifiedAt: z.int().nullable(),
  /** A notification that is recorded and maybe not sent: with its key, and what the receiver knows after it. */
  pending: z.object({ key: z.string(), createdAt: z.int(), marks: Marks }).nullable(),
});
export type GroupRecord = Readonly<z.infer<typeof GroupRecord>>;

/** An alert of a group now. */
export interface GroupMember {
  readonly alert: StoredAlert;
  /** Now, or, of one that has ended, at its end. */
  readonly silenced: boolean;
}

export interface GroupInput {
  readonly record: GroupRecord;
  readonly members: readonly GroupMember[];
  readonly route: Pick<Route, 'groupWaitMs' | 'groupIntervalMs' | 'repeatIntervalMs'>;
  readonly sendResolved: boolean;
  readonly nowMs: number;
}

/** What is to be done about a group: nothing before `atMs`, or to write its record, with a notification or without. */
export interface GroupPlan {
  /** undefined: there is nothing to write. */
  readonly record: GroupRecord | undefined;
  /** When to look again; Infinity: when something changes. */
  readonly atMs: number;
}

interface Change {
  /** What the receiver knows afterwards. */
  readonly to: Told | 'forget';
  /** Whether it is sent anything for that. */
  readonly notify: boolean;
}

const isOpen = (told: Told | undefined): boolean => told?.[1] === 'f' || told?.[1] === 'm';

/**
 * What an alert has to be told as; undefined: all is told. What a receiver knows is what it was told last, also if that was of another time
 * of the alert: a receiver that knows that it fires learns of its end.
 */
const changeOf = (told: Told | undefined, { alert: { startsAt, endsAt }, silenced }: GroupMember): Change | undefined => {
  if (endsAt !== null) return endOf(told, startsAt, silenced);
  if (silenced) return silenceOf(told, startsAt);
  return told?.[1] === 'f' && told[0] === startsAt ? undefined : { to: [startsAt, 'f'], notify: true };
};

/** What waits to be told does so no longer; of the others it is known that they fire. */
const silenceOf = (told: Told | undefined, startsAt: number): Change | undefined => {
  if (told?.[1] === 'w') return { to: 'forget', notify: false };
  return told?.[1] === 'f' ? { to: [startsAt, 'm'], notify: false } : undefined;
};

/** One that was never told and is not waiting for it is none of this receiver's. The end of a silenced one is told to those who know its beginning. */
const endOf = (told: Told | undefined, startsAt: number, silenced: boolean): Change | undefined => {
  if (told === undefined || told[1] === 'r') return undefined;
  if (told[1] === 'w' && silenced) return { to: 'forget', notify: false };
  return { to: [startsAt, 'r'], notify: true };
};

interface Changes {
  /** To be notified. */
  readonly marks: Record<string, Told>;
  /** Known without a notification. */
  readonly told: Record<string, Told>;
  /** Some begin, or begin again after a silence. */
  readonly hasNew: boolean;
  /** Some fire, are not silenced and were told before. */
  readonly goesOn: boolean;
}

type Noted = { -readonly [K in keyof Changes]: Changes[K] };

/** Takes in what an alert has to be told as. */
const noteChange = (noted: Noted, fingerprint: string, to: Told, isQuiet: boolean): void => {
  if (isQuiet) noted.told[fingerprint] = to;
  else noted.marks[fingerprint] = to;
  if (to[1] !== 'f') return;
  noted.hasNew = true;
  // Written down at once, so that one that ends meanwhile is told all the same. Who knows that it fires is told so anyway.
  if (!isOpen(noted.told[fingerprint])) noted.told[fingerprint] = [to[0], 'w'];
};

/** One that ended before it was told is told once, also where ends are not sent. */
const isQuiet = (before: Told | undefined, { to, notify }: Change, sendResolved: boolean): boolean =>
  !notify || (to[1] === 'r' && !sendResolved && before?.[1] !== 'w');

/** Takes one alert into what is to be told, and what is known without. */
const noteMember = (noted: Noted, before: Told | undefined, member: GroupMember, sendResolved: boolean): void => {
  const { fingerprint, endsAt } = member.alert;
  const change = changeOf(before, member);
  if (change?.to === 'forget') return;
  if (before !== undefined) noted.told[fingerprint] = before;
  if (change === undefined) noted.goesOn ||= before?.[1] === 'f' && endsAt === null;
  else noteChange(noted, fingerprint, change.to, isQuiet(before, change, sendResolved));
};

/** Takes in what is known of an alert that is none of the group any more, as other routes have it: here it has ended. */
const noteGone = (noted: Noted, fingerprint: string, before: Told, sendResolved: boolean): void => {
  const change = endOf(before, before[0], false);
  if (change === undefined || change.to === 'forget') return;
  noted.told[fingerprint] = before;
  noteChange(noted, fingerprint, change.to, isQuiet(before, change, sendResolved));
};

/** What has ended and is in no list of alerts any more is not remembered. */
const compare = ({ record, members, sendResolved }: GroupInput): Changes => {
  const noted: Noted = { marks: {}, told: {}, hasNew: false, goesOn: false };
  const gone = new Map(Object.entries(record.told));
  for (const member of members) {
    const { fingerprint } = member.alert;
    gone.delete(fingerprint);
    noteMember(noted, record.told[fingerprint], member, sendResolved);
  }
  for (const [fingerprint, before] of gone) noteGone(noted, fingerprint, before, sendResolved);
  return noted;
};

const isSame = (a: Marks, b: Marks): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([fingerprint, [startsAt, state]]) => b[fingerprint]?.[0] === startsAt && b[fingerprint][1] === state);

/** A time after another one. A clock that was set back holds nothing up for more than twice as long: what is later than that is past. */
const timeAfter = (sinceMs: number, ms: number, nowMs: number): number => (sinceMs > nowMs + ms ? Number.NEGATIVE_INFINITY : sinceMs + ms);

const dueOf = ({ record, route, nowMs }: GroupInput, { marks, hasNew, goesOn }: Changes, waitingSince: number | null): number => {
  const { notifiedAt } = record;
  const next = notifiedAt === null ? Number.NEGATIVE_INFINITY : timeAfter(notifiedAt, route.groupIntervalMs, nowMs);
  const repeat = goesOn && notifiedAt !== null ? timeAfter(notifiedAt, route.repeatIntervalMs, nowMs) : Number.POSITIVE_INFINITY;
  if (Object.keys(marks).length === 0) return repeat;
  const wait = hasNew && waitingSince !== null ? timeAfter(waitingSince, route.groupWaitMs, nowMs) : Number.NEGATIVE_INFINITY;
  return Math.min(Math.max(next, wait), repeat);
};

export const newGroup = (key: string, receiver: string, labels: GroupRecord['labels']): GroupRecord => ({
  key,
  receiver,
  labels,
  told: {},
  waitingSince: null,
  notifiedAt: null,
  pending: null,
});

/** What is known of an alert once the notification that is under way was taken. One that waits since it was recorded goes on waiting. */
const settled = (told: Told | undefined, mark: Told | undefined): Told | undefined => {
  if (mark === undefined) return told;
  return mark[1] === 'r' && told?.[1] === 'w' && told[0] !== mark[0] ? told : mark;
};

/** While a notification is under way, alerts that begin are written down and wait for the next one. */
const noteNew = (record: GroupRecord, pending: NonNullable<GroupRecord['pending']>, { members, nowMs }: GroupInput): GroupPlan => {
  const isKnown = ({ fingerprint }: StoredAlert): boolean =>
    (settled(record.told[fingerprint], pending.marks[fingerprint])?.[1] ?? 'r') !== 'r';
  const begun = members.filter(({ alert, silenced }) => alert.endsAt === null && !silenced && !isKnown(alert));
  const waiting = begun.map(({ alert }): [string, Told] => [alert.fingerprint, [alert.startsAt, 'w']]);
  const told = { ...record.told, ...Object.fromEntries(waiting) };
  if (isSame(told, record.told)) return { record: undefined, atMs: Number.POSITIVE_INFINITY };
  return { record: { ...record, told, waitingSince: record.waitingSince ?? nowMs }, atMs: Number.POSITIVE_INFINITY };
};

/** Compares what a receiver knows about a group with what holds now. Pure. @param newKey makes the key of a notification */
export const planGroup = (input: GroupInput, newKey: () => string): GroupPlan => {
  const { record, nowMs } = input;
  // What is under way is told first, as it was recorded.
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

/** The record once its notification was taken, or refused for good. */
export const settleGroup = (record: GroupRecord, key: string, nowMs: number): GroupRecord => {
  if (record.pending?.key !== key) return record;
  const told = { ...record.told };
  for (const [fingerprint, mark] of Object.entries(record.pending.marks)) told[fingerprint] = settled(told[fingerprint], mark) ?? mark;
  const isWaiting = Object.values(told).some(([, state]) => state === 'w');
  return { ...record, told, waitingSince: isWaiting ? record.waitingSince : null, notifiedAt: nowMs, pending: null };
};
