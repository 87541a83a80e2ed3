import type { SessionView } from '@fso/shared/api';

/** Whether the session is another one than before, because a user has signed in. */
export const isOtherSession = (before: SessionView | undefined, now: SessionView): boolean =>
  before === undefined || before.id !== now.id || before.kind !== now.kind || before.expiresAt !== now.expiresAt;

/** Channel between the tabs of this browser for sign-ins. */
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
