import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

/** JSON as a value of a ConfigMap's `binaryData`: gzip, base64. */
export const packJson = async (json: unknown): Promise<string> => (await promisify(gzip)(JSON.stringify(json))).toString('base64');

/** @param maxBytes bound on the memory that tampered data can take. @throws on what is not such JSON, or is larger */
export const unpackJson = async (packed: string, maxBytes: number): Promise<unknown> => {
  const text = await promisify(gunzip)(Buffer.from(packed, 'base64'), { maxOutputLength: maxBytes });
  return JSON.parse(text.toString('utf8'));
};
