/** Keeps a map, whose order is that of insertion, to `kept` entries. For one that grows by one entry at a time. */
export const dropOldest = <K>(map: Map<K, unknown>, kept: number): void => {
  const oldest = map.keys().next();
  if (map.size > kept && !oldest.done) map.delete(oldest.value);
};
