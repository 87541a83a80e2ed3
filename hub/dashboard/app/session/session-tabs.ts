import type { SessionView } from '@fso/shared/api';

/** Whether somebody has signed in since: a session that is still the same one says nothing of that. */
export const isOtherSession = (before: SessionView | undefined, now: SessionView): boolean =>
  before === undefined || before.id !== now.id || before.kind !== now.kind || before.expiresAt !== now.expiresAt;

/** Tells other tabs of this browser that somebody has signed in. */
const CHANNEL = 'fso-session';

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
