import { readFile } from 'node:fs/promises';
import { messageOf, parseRetryAfter, readBeginning } from '@fso/shared/runtime';
import { truncate } from '@fso/shared/text';
import type { Outcome } from './receiver.ts';

/** Time within which a receiver has to answer, in milliseconds. */
const TIMEOUT_MS = 10_000;
/** Most bytes of an answer that are read. Receivers answer in a line. */
const MAX_ANSWER_BYTES = 16 * 1024;
const MAX_ANSWER_CHARS = 1_024;
/** Longest time for which a receiver can hold back notifications, in milliseconds. */
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Longest secret, in characters. */
const MAX_SECRET_CHARS = 8_192;

/**
 * Reads a secret. It is read for each notification, so that a new one counts at once.
 *
 * @throws Error, whose message does not contain the secret
 */
export const readSecret = async (file: string): Promise<string> => {
  const text = (await readFile(file, 'utf8')).trim();
  if (text === '') throw new Error(`${file} is empty`);
  // Such a secret could end a header, and could not be removed from answers.
  if (/\p{Cc}/u.test(text)) throw new Error(`${file} has more than one line, or control characters`);
  if (text.length > MAX_SECRET_CHARS) throw new Error(`${file} is longer than ${MAX_SECRET_CHARS} characters`);
  return text;
};

/** Least length of a part of a URL that counts as secret. Shorter parts are ordinary words. */
const MIN_SECRET_PART = 8;

/**
 * Lists a secret URL and its parts that are secret, too, as servers repeat the path of an unknown
 * page.
 */
export const secretsOfUrl = (url: string): string[] => {
  const { pathname, search } = URL.parse(url) ?? { pathname: '', search: '' };
  const parts = [`${pathname}${search}`, ...pathname.split('/'), ...search.split(/[?&=]/)];
  return [url, ...parts.filter((part) => part.length >= MIN_SECRET_PART)];
};

/**
 * Makes the answer of a receiver fit for a log.
 *
 * @returns the text without secrets and control characters, cut to a readable length
 */
export const cleanAnswer = (text: string, secrets: readonly string[]): string => {
  let cleaned = text;
  // The longest first, as others may be parts of it.
  for (const secret of secrets.toSorted((a, b) => b.length - a.length)) if (secret !== '') cleaned = cleaned.replaceAll(secret, '…');
  return truncate(cleaned.replaceAll(/\p{Cc}+/gu, ' ').trim(), MAX_ANSWER_CHARS);
};

/**
 * Statuses after which the same notification would be refused again. Any other is about the
 * receiver, such as a replaced secret, and may pass.
 */
const REFUSED: readonly number[] = [400, 413, 422];

const outcomeOf = (response: Response, answer: string): Outcome => {
  const { status } = response;
  const text = answer === '' ? `HTTP ${status}` : `HTTP ${status}: ${answer}`;
  if (status >= 200 && status < 300) return { kind: 'delivered', answer: text };
  if (status >= 300 && status < 400)
    return { kind: 'failed', reason: `${text} (redirects are not followed: name the URL that it leads to)` };
  if (REFUSED.includes(status)) return { kind: 'refused', reason: text };
  const afterMs = parseRetryAfter(response.headers.get('retry-after'), { now: new Date(), maxMs: MAX_RETRY_AFTER_MS });
  return { kind: 'failed', reason: text, ...(afterMs === undefined ? {} : { afterMs }) };
};

/** Reason of a failed request with its cause, as `fetch failed` alone does not explain it. */
const reasonOf = (error: unknown): string => {
  const cause: unknown = Reflect.get(Object(error), 'cause');
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${messageOf(cause)}`;
};

/** A request to a receiver. */
export interface HttpPost {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Secrets to be removed from answers and reasons. */
  readonly secrets: readonly string[];
}

/**
 * Sends JSON by the same client, CA and proxy as the hub's other requests. Follows no redirect.
 * Never throws.
 */
export const postJson = async ({ url, headers, body, secrets }: HttpPost, signal: AbortSignal): Promise<Outcome> => {
  try {
    const response = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', 'user-agent': 'fso-hub', ...headers },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const bytes = await readBeginning(response.body, MAX_ANSWER_BYTES);
    return outcomeOf(response, cleanAnswer(bytes.toString('utf8'), secrets));
  } catch (error) {
    return { kind: 'failed', reason: cleanAnswer(reasonOf(error), secrets) };
  }
};

/**
 * Makes one attempt to send. An error, such as of a secret file that cannot be read, is a failed
 * attempt and may pass.
 */
export const attempt = async (send: () => Promise<Outcome>): Promise<Outcome> => {
  try {
    return await send();
  } catch (error) {
    return { kind: 'failed', reason: cleanAnswer(messageOf(error), []) };
  }
};
