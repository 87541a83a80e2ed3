import { systemClock } from '@fso/shared/runtime';
import { pino } from 'pino';
import type { Change } from '../../../changes.ts';
import { event, TIME } from '../../../testing/ledger.ts';
import type { PreparedChange } from '../prepared-change.ts';
import { WriteQueue } from '../write-queue.ts';

/** Builds a change that adds an event. */
export const change = (reason: string): Change => ({ type: 'event', time: TIME, cluster: null, event: event(reason) });
/** Returns a short text that tells changes apart. */
export const reasonOf = (one: Change): string => {
  if (one.type === 'connected') return `${one.cluster} ${one.connected}`;
  return one.type === 'event' ? one.event.reason : one.type;
};
/** Builds a change of a connection. */
export const connected = (cluster: string, value: boolean, time = TIME): Change => ({ type: 'connected', time, cluster, connected: value });

/** Opens a queue on a database whose commits end as the test decides. */
export const openQueue = (
  answer: (reasons: readonly string[], number: number) => unknown,
  maxQueued = 10_000,
  cut = (): void => undefined,
) => {
  const commits: { readonly reasons: readonly string[]; readonly number: number }[] = [];
  const commit = async (changes: readonly PreparedChange[], number: number): Promise<void> => {
    const reasons = changes.map((prepared) => reasonOf(prepared.change));
    commits.push({ reasons, number });
    const error = await answer(reasons, number);
    if (error !== undefined) throw error;
  };
  const queue = new WriteQueue({ commit, cut, clock: systemClock, random: () => 0, logger: pino({ level: 'silent' }), maxQueued });
  return { queue, commits };
};
/** Builds the error of a database with a code. */
export const sqlError = (code: string): Error => Object.assign(new Error('no'), { code });
