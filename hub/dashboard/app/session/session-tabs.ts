import type { SessionView } from '@fso/shared/api';

/** Whether a user has signed in since: the same session does not show that. */
export const isOtherSession = (before: SessionView | undefined, now: SessionView): boolean =>
  before === undefined || before.id !== now.id || before.kind !== now.kind || before.expiresAt !== now.expiresAt;

/** Announces a sign-in to the other tabs of this browser. */
const CHANNEL = 'fso-session';

/** Notifies the other tabs that a session has begun. */
export const announceSignIn = (): void => {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('signed-in');
  channel.close();
};

/** @returns a function that ends the subscription */
export const onSignIn = (listener: () => void): (() => void) => {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener('message', listener);
  return () => channel.close();
};
