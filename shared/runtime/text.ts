/**
 * Cuts a text to at most `max` UTF-16 code units, never within a character. Returns a copy, as a
 * slice in V8 is a view that keeps the whole string in memory.
 */
export const truncate = (text: string, max: number): string =>
  text.length <= max ? text.toWellFormed() : Buffer.from(text.slice(0, max)).toString();

const SHORT_REVISION = 8;

/**
 * Beginning of a commit id, long enough to distinguish commits of one repository; `absent` without
 * an id.
 */
export const shortRevision = (revision: string | null | undefined, absent = '-'): string => revision?.slice(0, SHORT_REVISION) ?? absent;

/** Formats a number with its noun: `1 owner`, `1,200 owners` */
export const count = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** Message of any thrown value. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const LISTED = 10;

/** Formats a list for a sentence, cut to a readable length: `a, b and 12 more`. */
export const listText = (items: readonly string[]): string =>
  items.length <= LISTED ? items.join(', ') : `${items.slice(0, LISTED).join(', ')} and ${items.length - LISTED} more`;

/** Text on why a cluster's list of policies is incomplete: `234 more policies are not kept: …`. */
export const notKeptText = (policies: number): string =>
  `${policies === 1 ? '1 more policy is' : `${policies.toLocaleString('en')} more policies are`} not kept: the cluster has more than the hub keeps of one.`;
