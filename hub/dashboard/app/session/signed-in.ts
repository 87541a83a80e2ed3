/** Tells other tabs of this browser that somebody has signed in. */
const CHANNEL = 'fso-session';

export const tellSignedIn = (): void => {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('signed-in');
  channel.close();
};

/** @returns a function that ends the subscription */
export const onSignedIn = (listener: () => void): (() => void) => {
  const channel = new BroadcastChannel(CHANNEL);
  channel.addEventListener('message', listener);
  return () => channel.close();
};
