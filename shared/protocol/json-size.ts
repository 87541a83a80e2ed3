/** Bounds on the JSON of a frame. */
export interface JsonLimits {
  /** Most objects and arrays inside of each other. */
  readonly depth: number;
  readonly values: number;
  /**
   * Most keys of all objects; each may take more memory than a value, as an object with a new key
   * has a new layout.
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

/** @returns where the string that begins at a quote ends */
const endOfString = (text: string, begin: number): number => {
  for (let end = text.indexOf('"', begin + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
};

/**
 * Looks at a JSON text before it is parsed: two bytes of text can become fifty of memory, a
 * recursive function overflows the stack on a deep value, and where the heap ends while JSON.parse
 * runs, the process ends, in whichever thread that was. Of a text that is no JSON it says anything;
 * the parser refuses that.
 *
 * @returns why the text is too large; undefined: it is not
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
