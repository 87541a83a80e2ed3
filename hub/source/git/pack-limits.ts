import { inflateSync } from 'node:zlib';
import { createYielder } from '@fso/shared/runtime';
import { GitTransportError } from './git-errors.ts';

/** Bounds of the memory that a pack takes; its own size is bounded where it is read. */
export interface PackLimits {
  /** Bytes of one object, unpacked and with its deltas applied. */
  readonly objectBytes: number;
  /** Bytes of all objects, as they are unpacked. */
  readonly inflatedBytes: number;
  /** Bytes of all objects, with their deltas applied. */
  readonly resolvedBytes: number;
  /** Number of objects. Each takes some 700 bytes while a pack is indexed. */
  readonly objects: number;
}

/** Limits of packs in production; tests set smaller ones. */
export const DEFAULT_PACK_LIMITS: PackLimits = {
  objectBytes: 16 * 1024 * 1024,
  inflatedBytes: 512 * 1024 * 1024,
  resolvedBytes: 4 * 1024 * 1024 * 1024,
  objects: 100_000,
};

/** Types of deltas, and sizes of parts (gitformat-pack(5)). */
const [OFS_DELTA, REF_DELTA] = [6, 7];
const HEADER_BYTES = 12;
const TRAILER_BYTES = 20;
const ID_BYTES = 20;
/** Maximum number of lines in one answer, of any kind: refs, acknowledgements, parts of a pack. */
const MAX_LINES = 100_000;
/** Time after which a long scan yields the thread, in milliseconds. */
const SLICE_MS = 20;

const broken = (): GitTransportError => new GitTransportError('the Git server sent a pack that cannot be read');
const tooLarge = (what: string, limit: number): GitTransportError =>
  new GitTransportError(`the Git server sent ${what} of more than ${limit} bytes; the repository holds something that is no policy`);

/**
 * Reads the length of a line from the four hexadecimal digits at its beginning, which it includes.
 *
 * @returns undefined if there are no digits
 */
const lineLength = (answer: Buffer, at: number): number | undefined => {
  const digits = answer.toString('latin1', at, at + 4);
  return /^[0-9a-f]{4}$/i.test(digits) ? Number.parseInt(digits, 16) : undefined;
};

/**
 * Yields the pkt-lines (gitprotocol-common(5)) of an answer, without their lengths, up to the end
 * or to the first that is not one. Their number is limited, as each costs its reader an object.
 *
 * @throws GitTransportError if there are too many
 */
function* linesOf(answer: Buffer): Generator<{ readonly at: number; readonly line: Buffer }> {
  let lines = 0;
  for (let at = 0; at + 4 <= answer.length; ) {
    const length = lineLength(answer, at);
    if (length === undefined || at + length > answer.length) return;
    lines += 1;
    if (lines > MAX_LINES) throw new GitTransportError(`the Git server sent more than ${MAX_LINES} lines in one answer`);
    const end = at + Math.max(length, 4);
    yield { at: end, line: answer.subarray(at + 4, end) };
    at = end;
  }
}

/** Joins the parts of the pack in an answer to `git-upload-pack`; undefined if there is none. */
const packOf = (answer: Buffer): Buffer | undefined => {
  const parts: Buffer[] = [];
  let end = 0;
  for (const { at, line } of linesOf(answer)) {
    // Side band 1 is the pack, 2 is for people, 3 an error; other lines begin with a letter.
    if (line.length > 1 && line[0] === 1) parts.push(line.subarray(1));
    // The clone never asks for a shallow history.
    if (/^(un)?shallow /.test(line.toString('latin1', 0, 10))) throw broken();
    end = at;
  }
  // Without a side band the pack follows as it is.
  if (answer.toString('latin1', end, end + 4) === 'PACK') return answer.subarray(end);
  if (end < answer.length) throw broken();
  return parts.length === 0 ? undefined : Buffer.concat(parts);
};

/** Reads a number in groups of seven bits, the lowest first. */
const readSize = (bytes: Buffer, at: number, first: { value: number; bits: number }): { value: number; next: number } => {
  let { value, bits } = first;
  for (let next = at; ; next += 1) {
    const byte = bytes[next];
    if (byte === undefined || bits > 49) throw broken();
    value += (byte & 0x7f) * 2 ** bits;
    bits += 7;
    if (byte < 0x80) return { value, next: next + 1 };
  }
};

interface Entry {
  readonly type: number;
  /** Unpacked size that its header states. */
  readonly size: number;
  /** Offset of its packed data. */
  readonly data: number;
}

const readEntry = (pack: Buffer, at: number): Entry => {
  const first = pack[at];
  if (first === undefined) throw broken();
  const type = (first >> 4) & 7;
  const low = first & 0x0f;
  const { value: size, next } = first < 0x80 ? { value: low, next: at + 1 } : readSize(pack, at + 1, { value: low, bits: 4 });
  if (type === REF_DELTA) return { type, size, data: next + ID_BYTES };
  if (type === OFS_DELTA) return { type, size, data: readSize(pack, next, { value: 0, bits: 0 }).next };
  return { type, size, data: next };
};

/** Unpacks an object. @returns number of bytes of the packed data, and the unpacked content */
const inflate = (pack: Buffer, { data, size }: Entry): { used: number; content: Buffer } => {
  try {
    const { buffer, engine } = inflateSync(pack.subarray(data), { info: true, maxOutputLength: Math.max(size, 1) }) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    if (buffer.length !== size) throw broken();
    return { used: engine.bytesWritten, content: buffer };
  } catch {
    throw broken();
  }
};

/** Reads the size of the object that a delta makes: its second number. */
const resolvedSize = (delta: Buffer): number => {
  const { next } = readSize(delta, 0, { value: 0, bits: 0 });
  return readSize(delta, next, { value: 0, bits: 0 }).value;
};

interface ObjectSize {
  readonly inflated: number;
  readonly resolved: number;
  /** Offset of the next object. */
  readonly next: number;
}

const measureObject = (pack: Buffer, at: number, { objectBytes }: PackLimits): ObjectSize => {
  const entry = readEntry(pack, at);
  if (entry.size > objectBytes) throw tooLarge('an object', objectBytes);
  const { used, content } = inflate(pack, entry);
  const resolved = entry.type === OFS_DELTA || entry.type === REF_DELTA ? resolvedSize(content) : entry.size;
  if (resolved > objectBytes) throw tooLarge('an object', objectBytes);
  return { inflated: entry.size, resolved, next: entry.data + used };
};

/** Measures all objects of a pack. @throws GitTransportError if it is malformed or too large */
const checkPack = async (pack: Buffer, limits: PackLimits, signal: AbortSignal): Promise<CheckedPack> => {
  if (pack.length < HEADER_BYTES + TRAILER_BYTES || pack.toString('latin1', 0, 4) !== 'PACK') throw broken();
  const body = pack.subarray(0, pack.length - TRAILER_BYTES);
  const yieldIfDue = createYielder(SLICE_MS);
  let [inflated, resolved, at] = [0, 0, HEADER_BYTES];
  const objects = pack.readUInt32BE(8);
  if (objects > limits.objects)
    throw new GitTransportError(`the Git server sent more than ${limits.objects} objects; keep policy in a repository of its own`);
  for (let left = objects; left > 0; left -= 1) {
    const object = measureObject(body, at, limits);
    inflated += object.inflated;
    resolved += object.resolved;
    if (inflated > limits.inflatedBytes) throw tooLarge('objects', limits.inflatedBytes);
    if (resolved > limits.resolvedBytes) throw tooLarge('objects', limits.resolvedBytes);
    at = object.next;
    await yieldIfDue();
    signal.throwIfAborted();
  }
  return { pack, objects, resolvedBytes: resolved };
};

const bufferOf = (answer: Uint8Array): Buffer => Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);

/** A pack within its limits. */
export interface CheckedPack {
  readonly pack: Buffer;
  /** Number of objects. */
  readonly objects: number;
  /** Size of all objects, with their deltas applied. */
  readonly resolvedBytes: number;
}

/**
 * Checks an answer to `git-upload-pack` before anything unpacks it.
 *
 * @returns undefined for an answer without a pack
 * @throws GitTransportError; the signal's reason
 */
export const checkPackAnswer = async (answer: Uint8Array, limits: PackLimits, signal: AbortSignal): Promise<CheckedPack | undefined> => {
  const pack = packOf(bufferOf(answer));
  return pack && checkPack(pack, limits, signal);
};

/**
 * Checks the number of lines in an answer that names the refs, before anything parses them. @throws
 * GitTransportError
 */
export const checkRefsAnswer = (answer: Uint8Array): void => {
  for (const _line of linesOf(bufferOf(answer)));
};
