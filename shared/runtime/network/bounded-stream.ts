/** Reads the first `maxBytes` of a stream, and cancels the rest. */
export const readBeginning = async (stream: AsyncIterable<Uint8Array> | null, maxBytes: number): Promise<Buffer> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop cancels the unread rest.
  for await (const chunk of stream ?? []) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size >= maxBytes) break;
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
};

/**
 * Reads a stream to its end. @returns undefined if it has more than `maxBytes`; it is then
 * cancelled
 */
export const readAtMost = async (stream: AsyncIterable<Uint8Array> | null, maxBytes: number): Promise<Buffer | undefined> => {
  const bytes = await readBeginning(stream, maxBytes + 1);
  return bytes.byteLength > maxBytes ? undefined : bytes;
};

/** Splits a text that arrives in arbitrary parts into lines. */
export class LineSplitter {
  readonly #maxLength: number;
  #parts: string[] = [];
  #length = 0;

  /** @param maxLength longest line, in UTF-16 code units */
  constructor(maxLength: number) {
    this.#maxLength = maxLength;
  }

  /** Beginning of the unfinished line. */
  get rest(): string {
    return this.#parts.join('');
  }

  /**
   * @returns the lines that end in this part
   * @throws RangeError if a line is too long
   */
  push(part: string): readonly string[] {
    const [head = '', ...others] = part.split('\n');
    this.#append(head);
    return others.map((next) => {
      const line = this.rest;
      this.#parts = [];
      this.#length = 0;
      this.#append(next);
      return line;
    });
  }

  #append(text: string): void {
    this.#length += text.length;
    if (this.#length > this.#maxLength) throw new RangeError(`a line has more than ${this.#maxLength} characters`);
    if (text !== '') this.#parts.push(text);
  }
}
