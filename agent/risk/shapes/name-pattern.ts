/** A suffix that Kubernetes makes for `generateName`, and that controllers make likewise. */
const GENERATED = /^[bcdfghjklmnpqrstvwxz2456789]{5,10}$/;
const HEX = /^[0-9a-f]{8,}$/;

const isMade = (part: string, index: number): boolean => {
  const hasDigit = /\d/.test(part);
  if (index === 0) return hasDigit && part.length >= 8;
  return hasDigit || HEX.test(part) || GENERATED.test(part);
};

/**
 * The pattern of the names that a controller is given time after time: parts that look made, such
 * as times, counts and random suffixes, are `*`.
 */
export const namePattern = (name: string): string =>
  name
    .split('-')
    .map((part, index) => (isMade(part, index) ? '*' : part))
    .filter((part, index, parts) => part !== '*' || parts[index - 1] !== '*')
    .join('-');
