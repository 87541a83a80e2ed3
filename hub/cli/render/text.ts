/** Formats of values in a terminal. */

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
];

/** Formats an age as kubectl does, such as `3m`; `-` for never. */
export const age = (time: string | null | undefined, now: Date): string => {
  if (time === null || time === undefined) return '-';
  const seconds = Math.max(0, Math.round((now.getTime() - Date.parse(time)) / 1000));
  const [unit, size] = UNITS.find(([, length]) => seconds >= length) ?? ['s', 1];
  return `${Math.floor(seconds / size)}${unit}`;
};

/** Joins values with commas; `-` for none. */
export const list = (values: readonly string[]): string => (values.length === 0 ? '-' : values.join(','));

/** Colour of a part of the output on a terminal. */
export type Color = 'red' | 'green' | 'yellow' | 'dim';
const CODES: Record<Color, number> = { red: 31, green: 32, yellow: 33, dim: 2 };
/** Colours a text for a terminal. */
export type Paint = (color: Color, text: string) => string;
/** Creates a {@link Paint}. If disabled, it returns texts unchanged. */
export const createPaint =
  (enabled: boolean): Paint =>
  (color, text) =>
    enabled ? `\u001b[${CODES[color]}m${text}\u001b[0m` : text;

const STATE_COLORS: Readonly<Record<string, Color>> = {
  Active: 'green',
  Connected: 'green',
  Enforced: 'green',
  Ready: 'green',
  True: 'green',
  Failed: 'red',
  Disconnected: 'red',
  Degraded: 'red',
  NotReady: 'red',
  alert: 'red',
  Pending: 'yellow',
  NeverSeen: 'yellow',
  Unavailable: 'yellow',
  Absent: 'yellow',
  warning: 'yellow',
  Expired: 'dim',
  NotApplicable: 'dim',
};

/** Colours a state by its severity. Other texts are returned unchanged. */
export const paintState = (paint: Paint, state: string): string => {
  const color = STATE_COLORS[state];
  return color === undefined ? state : paint(color, state);
};

// Text of others (commit subjects, messages of clusters) must not drive the terminal.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]+/g;
/** Replaces control characters by spaces, so that a text cannot move the cursor. */
export const withoutControls = (text: string): string => text.replaceAll(CONTROL, ' ');

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out.
const CONTROL_WITHIN_LINES = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]+/g;
/** Replaces control characters in text of several lines. */
export const printable = (text: string): string => text.replaceAll(CONTROL_WITHIN_LINES, ' ');
