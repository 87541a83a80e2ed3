import { createHash, timingSafeEqual } from 'node:crypto';
import { ResourceName } from '@fso/shared/api';
import { parse } from 'yaml';
import { z } from 'zod';

const MIN_TOKEN_LENGTH = 16;
const Tokens = z.record(ResourceName, z.string().min(MIN_TOKEN_LENGTH, `must have at least ${MIN_TOKEN_LENGTH} characters`).max(512));

/** @returns the cluster that an Authorization header proves, if any. */
export type Authenticate = (authorization: string | undefined) => string | undefined;

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Reads a tokens file, YAML or JSON: `{<cluster>: <token>}`.
 *
 * @throws Error that says what is wrong, without any token
 */
export const parseTokens = (text: string): ReadonlyMap<string, string> => {
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch {
    // The parser's message quotes the line, and with it a token.
    throw new Error('the agent tokens file is not valid YAML or JSON');
  }
  const parsed = Tokens.safeParse(value);
  if (!parsed.success) {
    const reasons = parsed.error.issues.map((issue) => `${issue.path.join('.') || 'file'}: ${issue.message}`);
    throw new Error(`the agent tokens file is wrong: ${reasons.join('; ')}`);
  }
  const tokens = new Map(Object.entries(parsed.data));
  if (new Set(tokens.values()).size !== tokens.size) throw new Error('the agent tokens file gives two clusters the same token');
  return tokens;
};

/** Compares digests in constant time, with every one, so that the time says nothing about which tokens exist. */
export const createAuthenticate = (tokens: ReadonlyMap<string, string>): Authenticate => {
  const digests = [...tokens].map(([cluster, token]) => ({ cluster, digest: sha256(token) }));
  return (authorization) => {
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) return undefined;
    const presented = sha256(token);
    let proven: string | undefined;
    for (const { cluster, digest } of digests) if (timingSafeEqual(digest, presented)) proven = cluster;
    return proven;
  };
};
