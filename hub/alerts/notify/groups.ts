import { z } from 'zod';
import type { StoredAlert } from '../alert.ts';
import type { Route } from './routing.ts';

/**
 * What a receiver knows of an alert: `w`, nothing yet, but it is to know; `f`, that it fires; `m`, that it fires, and then it was silenced;
 * `r`, that it has ended. Of one that begins again, the start says that it is another time.
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

/** What an alert has to be told as, and whether the receiver is notified of it; undefined: all is told. */
const changeOf = (
  told: Told | undefined,
  { alert, silenced }: GroupMember,
): { readonly to: Told | 'forget'; readonly notify: boolean } | undefined => {
  const known = told?.[0] === alert.startsAt ? told[1] : undefined;
  if (alert.endsAt !== null) return endOf(known, alert.startsAt, silenced);
  if (silenced) {
    if (known === 'w') return { to: 'forget', notify: false };
    return known === 'f' ? { to: [alert.startsAt, 'm'], notify: false } : undefined;
  }
  return known === 'f' ? undefined : { to: [alert.startsAt, 'f'], notify: true };
};

/** One that was never told and is not waiting for it is none of this receiver's. The end of a silenced one is told to those who know its beginning. */
const endOf = (
  known: Told[1] | undefined,
  startsAt: number,
  silenced: boolean,
): { readonly to: Told | 'forget'; readonly notify: boolean } | undefined => {
  if (known === undefined || known === 'r') return undefined;
  if (known === 'w' && silenced) return { to: 'forget', notify: false };
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
const noteChange = (noted: Noted, { alert: { fingerprint, startsAt } }: GroupMember, to: Told, isQuiet: boolean): void => {
  if (isQuiet) noted.told[fingerprint] = to;
  else noted.marks[fingerprint] = to;
  if (to[1] !== 'f') return;
  noted.hasNew = true;
  // Written down at once, so that one that ends meanwhile is told all the same.
  if (noted.told[fingerprint]?.[0] !== startsAt) noted.told[fingerprint] = [startsAt, 'w'];
};

/** Takes one alert into what is to be told, and what is known without. */
const noteMember = (noted: Noted, before: Told | undefined, member: GroupMember, sendResolved: boolean): void => {
  const change = changeOf(before, member);
  if (change?.to === 'forget') return;
  if (before !== undefined) noted.told[member.alert.fingerprint] = before;
  if (change === undefined) noted.goesOn ||= before?.[1] === 'f' && member.alert.endsAt === null;
  else noteChange(noted, member, change.to, !change.notify || (change.to[1] === 'r' && !sendResolved));
};

/** What is in no list of alerts any more is not remembered. */
const compare = ({ record, members, sendResolved }: GroupInput): Changes => {
  const noted: Noted = { marks: {}, told: {}, hasNew: false, goesOn: false };
  for (const member of members) noteMember(noted, record.told[member.alert.fingerprint], member, sendResolved);
  return noted;
};

const isSame = (a: Marks, b: Marks): boolean =>
  Object.keys(a).length === Object.keys(b).length &&
  Object.entries(a).every(([fingerprint, [startsAt, state]]) => b[fingerprint]?.[0] === startsAt && b[fingerprint][1] === state);

const dueOf = ({ record, route }: GroupInput, { marks, hasNew, goesOn }: Changes, waitingSince: number | null): number => {
  const { notifiedAt } = record;
  const next = notifiedAt === null ? Number.NEGATIVE_INFINITY : notifiedAt + route.groupIntervalMs;
  const repeat = goesOn && notifiedAt !== null ? notifiedAt + route.repeatIntervalMs : Number.POSITIVE_INFINITY;
  if (Object.keys(marks).length === 0) return repeat;
  const wait = hasNew && waitingSince !== null ? waitingSince + route.groupWaitMs : Number.NEGATIVE_INFINITY;
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

/** While a notification is under way, alerts that begin are written down and wait for the next one. */
const noteNew = (record: GroupRecord, pending: NonNullable<GroupRecord['pending']>, { members, nowMs }: GroupInput): GroupPlan => {
  const isKnown = ({ fingerprint, startsAt }: StoredAlert): boolean =>
    [record.told[fingerprint], pending.marks[fingerprint]].some((told) => told?.[0] === startsAt);
  const begun = members.filter(({ alert, silenced }) => alert.endsAt === null && !silenced && !isKnown(alert));
  if (begun.length === 0) return { record: undefined, atMs: Number.POSITIVE_INFINITY };
  const waiting = begun.map(({ alert }): [string, Told] => [alert.fingerprint, [alert.startsAt, 'w']]);
  const told = { ...record.told, ...Object.fromEntries(waiting) };
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
  for (const [fingerprint, mark] of Object.entries(record.pending.marks))
    if ((told[fingerprint]?.[0] ?? 0) <= mark[0]) told[fingerprint] = mark;
  const isWaiting = Object.values(told).some(([, state]) => state === 'w');
  return { ...record, told, waitingSince: isWaiting ? record.waitingSince : null, notifiedAt: nowMs, pending: null };
};
