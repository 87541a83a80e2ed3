/** What a POSIX shell reads as one word, unquoted. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/** A text as one word of a shell command. Names come from clusters: what somebody copies must not run anything else. */
export const shellWord = (text: string): string => (PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
