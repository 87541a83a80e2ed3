/**
 * The beginning of a text, of at most `max` UTF-16 code units and never with half a character at
 * its end. It is a copy: V8 makes a slice of a string a view, which keeps all of the string in
 * memory.
 */
export const truncate = (text: string, max: number): string =>
  text.length <= max ? text.toWellFormed() : Buffer.from(text.slice(0, max)).toString();

const SHORT_REVISION = 8;

/**
 * The beginning of a commit id, enough to tell commits of one repository apart; `absent` where
 * there is none.
 */
export const shortRevision = (revision: string | null | undefined, absent = '-'): string => revision?.slice(0, SHORT_REVISION) ?? absent;

/** Formats a number with its noun: `1 owner`, `1,200 owners` */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const LISTED = 10;

/** A list in a sentence, cut to a readable length: `a, b and 12 more`. */
export const listText = (items: readonly string[]): string =>
  items.length <= LISTED ? items.join(', ') : `${items.slice(0, LISTED).join(', ')} and ${items.length - LISTED} more`;

/**
 * Reason why the list of a cluster's policies is not whole: `234 more policies are not kept: …`.
 */
export const notKeptText = (policies: number): string =>
  `${policies === 1 ? '1 more policy is' : `${policies.toLocaleString('en')} more policies are`} not kept: the cluster has more than the hub keeps of one.`;
