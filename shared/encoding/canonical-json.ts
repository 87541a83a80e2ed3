/** Compares texts by UTF-16 code units, independently of the locale. */
export const byText = (left: string, right: string): number => {
  if (left === right) return 0;
  return left < right ? -1 : 1;
};

const writeList = (list: readonly unknown[]): string => {
  let text = '';
  for (const item of list) text += `${text === '' ? '' : ','}${write(item) ?? 'null'}`;
  return `[${text}]`;
};

const writeFields = (value: object): string => {
  let text = '';
  for (const key of Object.keys(value).sort(byText)) {
    const field = write((value as Readonly<Record<string, unknown>>)[key]);
    if (field !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${field}`;
  }
  return `{${text}}`;
};

/** @returns undefined for values that JSON cannot represent */
const write = (value: unknown): string | undefined => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return writeList(value);
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON());
  return writeFields(value);
};

/**
 * Serializes a value as JSON with sorted keys and no spaces (RFC 8785). Equal values have equal
 * text. Undefined fields are left out. JSON.stringify of an object with sorted keys does not do:
 * JavaScript objects list integer keys first, in numerical order.
 */
export const canonicalJson = (value: unknown): string => write(value) ?? 'null';
