import type { ReceiverView } from '@fso/shared/api';

/** Outcome of the last notification of a receiver. */
export type Delivery = 'none' | 'delivered' | 'failing' | 'refused';

/** Determines from its last success and failure whether a receiver accepts notifications. */
export const deliveryOf = ({ lastSuccess, lastFailure }: Pick<ReceiverView, 'lastSuccess' | 'lastFailure'>): Delivery => {
  const failedLast = lastFailure !== null && (lastSuccess === null || Date.parse(lastFailure.time) > Date.parse(lastSuccess));
  if (failedLast) return lastFailure.permanent ? 'refused' : 'failing';
  return lastSuccess === null ? 'none' : 'delivered';
};

/** Returns the receivers whose last notification did not arrive. */
export const undelivered = (receivers: readonly ReceiverView[]): readonly ReceiverView[] =>
  receivers.filter((receiver) => ['failing', 'refused'].includes(deliveryOf(receiver)));
