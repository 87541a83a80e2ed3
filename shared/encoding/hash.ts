import { hash } from 'node:crypto';

/** sha256 of a text's UTF-8 bytes, in hex. */
export const sha256 = (text: string): string => hash('sha256', text);

/** FNV-1a of a text's UTF-16 code units, 32 bits: fast, and not for adversaries. */
export const fnv1a = (text: string): number => {
  let digest = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) digest = Math.imul(digest ^ text.charCodeAt(index), 0x01000193);
  return digest >>> 0;
};
