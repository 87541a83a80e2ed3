/** A text as a CEL string literal: what JSON escapes, CEL reads alike. */
export const celString = (text: string): string => JSON.stringify(text);

export const celList = (texts: readonly string[]): string => `[${texts.map(celString).join(', ')}]`;
