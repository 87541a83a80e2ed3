/** Orders by UTF-16 code units: the same on every machine, whatever its locale. */
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

/** @returns undefined for what JSON has no text for */
const write = (value: unknown): string | undefined => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return writeList(value);
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON());
  return writeFields(value);
};

/**
 * JSON with sorted keys and no spaces, as RFC 8785 has it; undefined fields are left out. Equal
 * values have equal text. Objects are not sorted and then given to JSON.stringify: an object has
 * keys that are integers first, and by number.
 */
export const canonicalJson = (value: unknown): string => write(value) ?? 'null';
