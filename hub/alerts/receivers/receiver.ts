import type { ReceiverKind } from '@fso/shared/api';
import { pageOfAlert, type StoredAlert } from '../alert.ts';
import type { LabelSet } from '../matchers.ts';

/** An alert in a notification. */
export interface NotifiedAlert extends Omit<StoredAlert, 'name'> {
  readonly name: string;
  readonly status: 'firing' | 'resolved';
  /** Whether the receiver is notified of it for the first time. */
  readonly isNew: boolean;
  /** Page of the dashboard; a path only, where the hub does not know its own address. */
  readonly url: string;
}

/** Converts an alert for a notification. @param hubUrl undefined if unknown */
export const notifiedOf = (hubUrl: string | undefined, alert: StoredAlert, isResolved: boolean, isNew: boolean): NotifiedAlert => ({
  ...alert,
  status: isResolved ? 'resolved' : 'firing',
  isNew,
  url: `${hubUrl ?? ''}${pageOfAlert(alert)}`,
});

/** Alerts of one group that are sent to a receiver together. */
export interface Notification {
  /** Key of the notification, the same each time that it is sent. */
  readonly key: string;
  /** Key of the group, the same for all of its notifications. */
  readonly groupKey: string;
  readonly groupLabels: LabelSet;
  readonly status: 'firing' | 'resolved';
  /** New ones first, then the most severe. At least one. */
  readonly alerts: readonly NotifiedAlert[];
  /** Milliseconds since 1970 of when it was recorded. */
  readonly createdAt: number;
  /** URL of the hub; undefined if unknown. */
  readonly hubUrl: string | undefined;
}

/** Outcome of an attempt. Reasons and answers contain no secrets and are bounded. */
export type Outcome =
  | { readonly kind: 'delivered'; readonly answer: string }
  /** Failure to be retried; not before `afterMs`, if the receiver asks for that. */
  | { readonly kind: 'failed'; readonly reason: string; readonly afterMs?: number }
  /** Failure that is not retried. */
  | { readonly kind: 'refused'; readonly reason: string };

/** A receiver of notifications, ready to send. */
export interface Receiver {
  readonly name: string;
  readonly kind: ReceiverKind;
  readonly sendResolved: boolean;
  /** Host without path and secrets; if the URL is a secret, the file that has it. */
  readonly target: string;
  /**
   * Whether the receiver groups by itself and forgets alerts that are not sent again. It gets each
   * alert at once, and all firing ones at intervals.
   */
  readonly isAlertmanager: boolean;
  /** Never throws. */
  send(notification: Notification, signal: AbortSignal): Promise<Outcome>;
}
