/** Close code of a hub that stops (RFC 6455, 7.4.1). */
export const GOING_AWAY = 1001;
const RETURN = /come back within (\d{1,9}) ms$/;

/**
 * Reason of a close with {@link GOING_AWAY}. Agents come back at a random moment within `windowMs`, so that the hub that they
 * find does not get all their handshakes and reports at once.
 */
export const describeReturn = (windowMs: number): string => `the hub stops; come back within ${windowMs} ms`;

/** @returns milliseconds; undefined where the close says nothing of a return */
export const readReturn = (code: number, reason: string): number | undefined => {
  const text = code === GOING_AWAY ? RETURN.exec(reason)?.[1] : undefined;
  return text === undefined ? undefined : Number(text);
};
