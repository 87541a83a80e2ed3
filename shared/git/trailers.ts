/** A trailer of a commit message, such as `Signed-off-by: Ana`. */
export interface Trailer {
  /** Key in lower case, as keys are case-insensitive. */
  readonly key: string;
  readonly value: string;
}

const TRAILER = /^([A-Za-z0-9-]+)[ \t]*:(.*)$/s;
/** Line that continues the previous trailer. */
const CONTINUED = /^[ \t]/;
/** Line that is blank to Git. Spaces of other scripts are text. */
const BLANK = /^[ \t\r\v\f]*$/;

/**
 * Reads the trailers of a commit message: its last paragraph, unless that is the first, if every
 * line of it is a trailer. git-interpret-trailers(1) also accepts paragraphs with a quarter of
 * other lines; whatever is read here, Git reads the same way.
 *
 * @returns trailers in their order; empty if there are none
 */
export const trailersOf = (message: string): readonly Trailer[] => {
  // Git ends a message there, so its users would not see what follows.
  if (message.includes('\0')) return [];
  const lines = message.split('\n').map((line) => (BLANK.test(line) ? '' : line));
  const end = lines.findLastIndex((line) => line !== '') + 1;
  const begin = lines.lastIndexOf('', end - 1) + 1;
  if (lines.slice(0, begin).every((line) => line === '')) return [];
  const trailers: { key: string; value: string }[] = [];
  for (const line of lines.slice(begin, end)) {
    const last = trailers.at(-1);
    const [, key, value = ''] = TRAILER.exec(line) ?? [];
    if (CONTINUED.test(line) && last !== undefined) last.value += ` ${line.trim()}`;
    else if (key === undefined) return [];
    else trailers.push({ key: key.toLowerCase(), value: value.trim() });
  }
  return trailers;
};
