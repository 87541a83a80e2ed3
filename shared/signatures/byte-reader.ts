import { malformed } from './errors.ts';

/**
 * Reads big-endian binary formats sequentially. A read beyond the end throws a SignatureError
 * `signature-malformed`.
 */
export class ByteReader {
  readonly #bytes: Buffer;
  readonly #what: string;
  #offset = 0;

  /** @param what name of the data, for messages */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  take(length: number): Buffer {
    if (length > this.left) throw malformed(`${this.#what} ends too early`);
    const start = this.#offset;
    this.#offset += length;
    return this.#bytes.subarray(start, this.#offset);
  }

  uint8(): number {
    return this.take(1).readUInt8();
  }

  uint16(): number {
    return this.take(2).readUInt16BE();
  }

  uint32(): number {
    return this.take(4).readUInt32BE();
  }

  /** Reads a length of 32 bits, then that many bytes (RFC 4251 section 5). */
  string(): Buffer {
    return this.take(this.uint32());
  }

  rest(): Buffer {
    return this.take(this.left);
  }

  /** Checks that nothing follows, as bytes that one reader skips may be read by another. */
  end(): void {
    if (this.left > 0) throw malformed(`${this.#what} has ${this.left} bytes too many`);
  }
}
