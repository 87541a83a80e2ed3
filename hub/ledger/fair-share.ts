/**
 * Shares a number of places: who wants few gets all of them, and the others get as many as each
 * other.
 *
 * @param wanted places that each one wants
 * @returns the most that one of them gets
 */
export const fairShare = (wanted: readonly number[], places: number): number => {
  let left = places;
  const ascending = [...wanted].sort((a, b) => a - b);
  for (const [at, count] of ascending.entries()) {
    const share = Math.floor(left / (ascending.length - at));
    if (count > share) return share;
    left -= count;
  }
  return Number.POSITIVE_INFINITY;
};
