import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

const BLOCK = 512;
const LARGEST = 1024 ** 3;

/** Reads exact amounts from a stream of chunks. */
class ByteReader {
  readonly #source: AsyncIterator<Buffer>;
  #left: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Reads at most `size` bytes; none at the end. */
  async some(size: number): Promise<Buffer> {
    while (this.#left.length === 0) {
      const { value, done } = await this.#source.next();
      if (done) return Buffer.alloc(0);
      this.#left = value;
    }
    const chunk = this.#left.subarray(0, size);
    this.#left = this.#left.subarray(chunk.length);
    return chunk;
  }

  async *exactly(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0; ) {
      const chunk = await this.some(left);
      if (chunk.length === 0) throw new Error('the archive ends in the middle of a file');
      left -= chunk.length;
      yield chunk;
    }
  }

  async skip(size: number): Promise<void> {
    for await (const _ of this.exactly(size));
  }
}

const text = (header: Buffer, start: number, end: number): string => {
  const field = header.subarray(start, end);
  const zero = field.indexOf(0);
  return field.subarray(0, zero < 0 ? field.length : zero).toString();
};

function nameOf(header: Buffer): string {
  const prefix = text(header, 345, 500);
  return `${prefix ? `${prefix}/` : ''}${text(header, 0, 100)}`.replace(/^\.?\//, '');
}

function sizeOf(header: Buffer): number {
  const octal = text(header, 124, 136).trim();
  const size = octal === '' ? 0 : Number.parseInt(octal, 8);
  if (!/^[0-7]*$/.test(octal) || size > LARGEST) throw new Error('not a tar archive that this program can read');
  return size;
}

/**
 * The type of a regular file is `0` or, in old archives, NUL; extended headers, links and folders
 * have other types.
 */
const isFile = (header: Buffer): boolean => header[156] === 0x30 || header[156] === 0;

/**
 * Writes one file of a .tar.gz to `target`. It compares the name in the header itself (POSIX ustar,
 * at most 255 bytes), so it does not find a long name in an extended header.
 *
 * @returns false when the archive has no such file
 * @throws Error when the archive is damaged
 */
export async function extractMember(archive: string, member: string, target: string): Promise<boolean> {
  const source = createReadStream(archive);
  const unzipped = createGunzip();
  const unzipping = pipeline(source, unzipped).catch((error: unknown) => void unzipped.destroy(error as Error));
  try {
    const reader = new ByteReader(unzipped);
    for (;;) {
      const parts: Buffer[] = [];
      for await (const part of reader.exactly(BLOCK)) parts.push(part);
      const header = Buffer.concat(parts);
      // A block of zeros ends the archive.
      if (header.every((byte) => byte === 0)) return false;
      const size = sizeOf(header);
      if (isFile(header) && nameOf(header) === member) {
        await pipeline(reader.exactly(size), createWriteStream(target));
        return true;
      }
      await reader.skip(Math.ceil(size / BLOCK) * BLOCK);
    }
  } finally {
    unzipped.destroy();
    source.destroy();
    await unzipping;
  }
}
