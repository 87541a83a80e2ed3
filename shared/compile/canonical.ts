/** Orders by UTF-16 code units: the same on every machine, whatever its locale. */
export const byText = (left: string, right: string): number => {
  if (left === right) return 0;
  return left < right ? -1 : 1;
};

const sortKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => byText(left, right)))
    : value;

/** JSON with sorted keys and no spaces; undefined fields are left out. Equal values have equal text (as in RFC 8785). */
export const canonicalJson = (value: unknown): string => JSON.stringify(value, sortKeys);
