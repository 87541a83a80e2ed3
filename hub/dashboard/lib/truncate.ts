/** A list that is shown in part. */
interface TruncatedList {
  readonly shown: readonly string[];
  /** How many are left out: never one alone, as it takes no more room than saying so. */
  readonly hidden: number;
}

export const truncateList = (items: readonly string[], max: number): TruncatedList =>
  items.length <= max + 1 ? { shown: items, hidden: 0 } : { shown: items.slice(0, max), hidden: items.length - max };

/** @param max characters; cut at the end of a word where there is one in the last fifth */
export const truncateText = (text: string, max: number): string => {
  if (text.length <= max) return text;
  const head = text.slice(0, max);
  const space = head.lastIndexOf(' ');
  return `${head.slice(0, space > max * 0.8 ? space : max)}…`;
};
