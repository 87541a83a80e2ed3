/** Suffix that Kubernetes generates for `generateName`, as controllers do. */
const GENERATED = /^[bcdfghjklmnpqrstvwxz2456789]{5,10}$/;
const HEX = /^[0-9a-f]{8,}$/;

const isMade = (part: string, index: number): boolean => {
  const hasDigit = /\d/.test(part);
  if (index === 0) return hasDigit && part.length >= 8;
  return hasDigit || HEX.test(part) || GENERATED.test(part);
};

/**
 * Pattern of the names that a controller's objects get. Generated parts, such as times, counts and
 * random suffixes, become `*`.
 */
export const namePattern = (name: string): string =>
  name
    .split('-')
    .map((part, index) => (isMade(part, index) ? '*' : part))
    .filter((part, index, parts) => part !== '*' || parts[index - 1] !== '*')
    .join('-');
