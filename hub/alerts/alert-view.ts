import type { AlertView } from '@fso/shared/api';
import { pageOfAlert, type StoredAlert } from './alert.ts';
import type { GroupRecord } from './notify/groups.ts';

/** A receiver that was notified of an occurrence of an alert, which its start identifies. */
export interface NotifiedReceiver {
  readonly receiver: string;
  /** RFC 3339. */
  readonly time: string;
  readonly startsAt: number;
}

/** Receivers that were notified of an alert, by fingerprint. */
export const notifiedByAlert = (groups: readonly GroupRecord[]): ReadonlyMap<string, readonly NotifiedReceiver[]> => {
  const notified = groups.flatMap(({ receiver, notifiedAt, told: marks }) => {
    if (notifiedAt === null) return [];
    const time = new Date(notifiedAt).toISOString();
    return Object.entries(marks).flatMap(([fingerprint, [startsAt, state]]) =>
      state === 'pending' ? [] : [{ fingerprint, receiver, time, startsAt }],
    );
  });
  return Map.groupBy(notified, ({ fingerprint }) => fingerprint);
};

/**
 * Makes the view of an alert for the API.
 *
 * @param silencedBy ids of the silences that match it now
 */
export const viewOfAlert = (
  { startsAt, endsAt, ...rest }: StoredAlert,
  silencedBy: readonly string[],
  notified: readonly NotifiedReceiver[],
): AlertView => {
  const firing = silencedBy.length > 0 ? 'silenced' : 'firing';
  return {
    ...rest,
    state: endsAt === null ? firing : 'resolved',
    path: pageOfAlert(rest),
    startsAt: new Date(startsAt).toISOString(),
    endsAt: endsAt === null ? null : new Date(endsAt).toISOString(),
    silencedBy: [...silencedBy],
    notified: notified.flatMap(({ receiver, time, startsAt: start }) => (start === startsAt ? [{ receiver, time }] : [])),
  };
};
