/** The beginning of a text, of at most `max` UTF-16 code units and never with half a character at its end. */
export const truncate = (text: string, max: number): string => (text.length <= max ? text : text.slice(0, max)).toWellFormed();

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
