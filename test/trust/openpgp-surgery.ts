/** Parses OpenPGP data and reassembles it with changes. Independent of the code under test. */

export interface PgpPacket {
  readonly tag: number;
  readonly body: Buffer;
}

interface Part {
  readonly type: number;
  readonly body: Buffer;
}

/**
 * Reads a length in gpg's output, which has no partial lengths.
 *
 * @returns length and offset of the body
 */
const lengthAt = (bytes: Buffer, at: number): { length: number; start: number } => {
  const header = bytes[at] ?? 0;
  if ((header & 0x40) === 0) {
    const size = 1 << (header & 3);
    return { length: bytes.readUIntBE(at + 1, size), start: at + 1 + size };
  }
  const first = bytes[at + 1] ?? 0;
  if (first < 192) return { length: first, start: at + 2 };
  if (first < 255) return { length: ((first - 192) << 8) + (bytes[at + 2] ?? 0) + 192, start: at + 3 };
  return { length: bytes.readUInt32BE(at + 2), start: at + 6 };
};

/** Reads the packets of an armoured block. */
export const readBlock = (armored: string): PgpPacket[] => {
  const base64 = armored.slice(armored.indexOf('\n\n') + 2).replace(/\n=[^\n]{4}\n[\s\S]*/, '');
  const bytes = Buffer.from(base64, 'base64');
  const packets: PgpPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const header = bytes[at] ?? 0;
    const { length, start } = lengthAt(bytes, at);
    packets.push({ tag: (header & 0x40) === 0 ? (header >> 2) & 15 : header & 63, body: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return packets;
};

/** Writes packets as an armoured block, without the optional checksum. */
export const writeBlock = (kind: 'SIGNATURE' | 'PUBLIC KEY BLOCK', packets: readonly PgpPacket[]): string => {
  const bytes = packets.map(({ tag, body }) => {
    const header = Buffer.alloc(6);
    header[0] = 0xc0 | tag;
    header[1] = 255;
    header.writeUInt32BE(body.length, 2);
    return Buffer.concat([header, body]);
  });
  const lines =
    Buffer.concat(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PGP ${kind}-----\n\n${lines.join('\n')}\n-----END PGP ${kind}-----\n`;
};

/** Reads a length, and the number of its own bytes. */
const partLength = (bytes: Buffer, at: number): readonly [length: number, size: number] => {
  const first = bytes[at] ?? 0;
  if (first < 192) return [first, 1];
  if (first < 255) return [((first - 192) << 8) + (bytes[at + 1] ?? 0) + 192, 2];
  return [bytes.readUInt32BE(at + 1), 5];
};

const readParts = (bytes: Buffer): Part[] => {
  const parts: Part[] = [];
  for (let at = 0; at < bytes.length; ) {
    const [length, size] = partLength(bytes, at);
    const body = bytes.subarray(at + size, at + size + length);
    parts.push({ type: (body[0] ?? 0) & 127, body: body.subarray(1) });
    at += size + length;
  }
  return parts;
};

const writePart = ({ type, body }: Part): Buffer => {
  const header = Buffer.alloc(6);
  header[0] = 255;
  header.writeUInt32BE(body.length + 1, 1);
  header[5] = type;
  return Buffer.concat([header, body]);
};

/**
 * Changes, keeps (true) or drops (false) the unhashed part of a signature packet. Other packets
 * stay unchanged.
 */
export const mapUnhashed = (packet: PgpPacket, change: (part: Part) => Part | boolean): PgpPacket => {
  const { tag, body } = packet;
  if (tag !== 2 || body[0] !== 4) return packet;
  const start = 6 + body.readUInt16BE(4);
  const end = start + 2 + body.readUInt16BE(start);
  const parts = readParts(body.subarray(start + 2, end)).flatMap((part) => {
    const changed = change(part);
    return typeof changed === 'boolean' ? (changed ? [part] : []) : [changed];
  });
  const written = Buffer.concat(parts.map(writePart));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(written.length);
  return { tag, body: Buffer.concat([body.subarray(0, start), length, written, body.subarray(end)]) };
};
