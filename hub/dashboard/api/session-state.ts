/** Whether the hub has said that the session is over: known to the whole page, whoever heard it first. */

let ended = false;
const listeners = new Set<() => void>();

const set = (value: boolean): void => {
  if (ended === value) return;
  ended = value;
  for (const listener of [...listeners]) listener();
};

export const sessionHasEnded = (): void => set(true);
export const sessionIsBack = (): void => set(false);
export const isSessionEnded = (): boolean => ended;
export const onSessionChange = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};
