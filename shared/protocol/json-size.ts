/** Bounds on the JSON of a frame. */
export interface JsonLimits {
  /** Most nested objects and arrays. */
  readonly depth: number;
  readonly values: number;
  /**
   * Most keys of all objects. A key may take more memory than a value, as an object with a new key
   * gets a new layout.
   */
  readonly keys: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** @returns index of the quote that ends the string starting at `begin` */
const endOfString = (text: string, begin: number): number => {
  for (let end = text.indexOf('"', begin + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
};

/**
 * Checks the size of a JSON text before it is parsed. Two bytes of text can become fifty of memory,
 * a recursive parser overflows the stack on deep values, and if the heap is exhausted during
 * JSON.parse, the whole process ends, whichever thread it was. For text that is not JSON the result
 * is arbitrary; the parser refuses it.
 *
 * @returns reason why the text is too large; undefined if it is not
 */
export const exceededJsonLimit = (text: string, { depth, values, keys }: JsonLimits): string | undefined => {
  let open = 0;
  let count = 1;
  let keyCount = 0;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case OPEN_ARRAY:
      case OPEN_OBJECT:
        open += 1;
        count += 1;
        if (open > depth) return `it is nested more than ${depth} deep`;
        break;
      case CLOSE_ARRAY:
      case CLOSE_OBJECT:
        open -= 1;
        break;
      case COMMA:
        count += 1;
        break;
      case COLON:
        keyCount += 1;
        break;
    }
    if (count > values) return `it has more than ${values} values`;
    if (keyCount > keys) return `it has more than ${keys} keys`;
  }
  return undefined;
};
