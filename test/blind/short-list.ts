const SHOWN = 3;

/** The first of many, for a line of a table. */
export const shortList = (items: readonly string[]): string => {
  const more = items.length - SHOWN;
  return `${items.slice(0, SHOWN).join(', ') || 'nothing'}${more > 0 ? ` and ${more} more` : ''}`;
};
