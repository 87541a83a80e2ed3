import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { LineSplitter, messageOf } from '@fso/shared/runtime';
import { LedgerError } from '../types.ts';
import { End, Manifest } from './format.ts';

const MAX_LINE_LENGTH = 256 * 1024 * 1024;

async function* readLines(file: string): AsyncGenerator<string> {
  const unzipped = createGunzip().setEncoding('utf8');
  // An error here also ends the loop below with the same error.
  pipeline(createReadStream(file), unzipped).catch(() => undefined);
  const splitter = new LineSplitter(MAX_LINE_LENGTH);
  for await (const chunk of unzipped as AsyncIterable<string>) yield* splitter.push(chunk);
  if (splitter.rest !== '') yield splitter.rest;
}

/** Parses a line. @param what names the line in the error message @throws LedgerError */
export const parseLine = <T>(schema: { parse(value: unknown): T }, line: string, file: string, what: string): T => {
  try {
    return schema.parse(JSON.parse(line));
  } catch {
    throw new LedgerError(`${file} is no backup of a ledger, or was damaged: ${what} cannot be read`);
  }
};

const changed = (file: string): LedgerError => new LedgerError(`${file} was changed or damaged: its digest is another`);

/**
 * Calls a handler for each line of a backup and awaits it.
 *
 * @returns the last line, and the digest of all lines before it
 */
const forEachLine = async (file: string, handle: (line: string) => void | Promise<void>): Promise<{ last: string; sha256: string }> => {
  const hash = createHash('sha256');
  let last: string | undefined;
  for await (const line of readLines(file)) {
    if (last !== undefined) hash.update(`${last}\n`);
    last = line;
    await handle(line);
  }
  return { last: last ?? '', sha256: hash.digest('hex') };
};

/** Backup that was read to its end and found intact. */
export interface Backup {
  readonly file: string;
  readonly manifest: Manifest;
  readonly end: End;
}

/**
 * Reads and checks a whole backup.
 *
 * @param newest newest version of the tables that the caller supports
 * @throws LedgerError if the backup is incomplete, was changed, or is of a newer version
 */
export const readBackup = async (file: string, newest = Number.POSITIVE_INFINITY): Promise<Backup> => {
  let first: string | undefined;
  const { last, sha256 } = await forEachLine(file, (line) => {
    first ??= line;
  }).catch((error: unknown) => {
    throw error instanceof LedgerError ? error : new LedgerError(`${file} cannot be read: ${messageOf(error)}`);
  });
  const manifest = parseLine(Manifest, first ?? '', file, 'its first line');
  if (manifest.version > newest)
    throw new LedgerError(`${file} was written by a newer version of this program (${manifest.program}): restore it with that one`);
  const end = parseLine(End, last, file, 'its last line');
  if (sha256 !== end.sha256) throw changed(file);
  return { file, manifest, end };
};

/**
 * Reads the lines of a checked backup again.
 *
 * @throws LedgerError at the end if the file has changed
 */
export const rereadBackup = async ({ file, end }: Backup, handle: (line: string) => void | Promise<void>): Promise<void> => {
  const { sha256 } = await forEachLine(file, handle);
  if (sha256 !== end.sha256) throw changed(file);
};
