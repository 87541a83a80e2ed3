const MOST = 10;

/** A list in a sentence, cut to a readable length: `a, b and 12 more`. */
export const listText = (items: readonly string[]): string =>
  items.length <= MOST ? items.join(', ') : `${items.slice(0, MOST).join(', ')} and ${items.length - MOST} more`;
