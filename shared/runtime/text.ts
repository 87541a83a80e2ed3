/** The beginning of a text, of at most `max` UTF-16 code units and never with half a character at its end. */
export const truncate = (text: string, max: number): string => (text.length <= max ? text : text.slice(0, max)).toWellFormed();

const SHORT_REVISION = 8;

/** The beginning of a commit id, enough to tell commits of one repository apart; `absent` where there is none. */
export const shortRevision = (revision: string | null | undefined, absent = '-'): string => revision?.slice(0, SHORT_REVISION) ?? absent;

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const LISTED = 10;

/** A list in a sentence, cut to a readable length: `a, b and 12 more`. */
export const listText = (items: readonly string[]): string =>
  items.length <= LISTED ? items.join(', ') : `${items.slice(0, LISTED).join(', ')} and ${items.length - LISTED} more`;
