import type { KubeObject } from '../../api/index.ts';
import { isGone, isTimeout, KubeConnectionError } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import { type KindDescriptor, type KubeClient, type ListOptions, MAX_OBJECT_BYTES, type RawRequest } from '../types.ts';

interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: T[] | null;
}

export interface FullList<T> {
  readonly items: T[];
  /** Where a watch continues. */
  readonly resourceVersion: string;
}

export interface ListRequest<T extends KubeObject> {
  readonly kind: KindDescriptor<T>;
  readonly options: ListOptions;
  /** Reduces each object as its page arrives, so that memory holds at most one page of whole objects. */
  readonly transform?: ((object: T) => T) | undefined;
}

const PAGE_SIZE = 500;
/** A longer page is requested again in halves. Parsed, it takes several times as much memory, and an object has up to 1.5 MB. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Longest time without a byte: a list may take long, but must make progress. */
const SILENCE_MS = 60_000;
/** A list that expires this often while it is read is larger than the server can deliver. */
const MAX_RESTARTS = 3;

const isTooLarge = (error: unknown): boolean => error instanceof KubeConnectionError && error.tooLarge;
/** A server that was too slow for a page gets one chance with a much smaller one; one that does not answer must not go unnoticed. */
const SLOW_DIVISOR = 8;

interface Page<T> {
  readonly page: ListPage<T>;
  /** Page size of the request that succeeded. */
  readonly limit: number;
}

/** Page size to try after a page of `limit` objects failed; undefined: a smaller page would not help. */
const smaller = (limit: number, error: unknown): number | undefined => {
  if (limit === 1) return undefined;
  if (isTooLarge(error)) return Math.ceil(limit / 2);
  return isTimeout(error) ? Math.ceil(limit / SLOW_DIVISOR) : undefined;
};

const readPage = async <T>(client: KubeClient, request: RawRequest, limit: number, signal: AbortSignal): Promise<Page<T>> => {
  // A page of one object cannot be smaller.
  const maxBytes = limit === 1 ? MAX_OBJECT_BYTES : MAX_PAGE_BYTES;
  const query = { ...request.query, limit: String(limit) };
  const { object: page } = await client.raw<ListPage<T>>({ ...request, maxBytes, query, silenceMs: SILENCE_MS }, signal);
  return { page, limit };
};

const readPageThatFits = async <T>(client: KubeClient, request: RawRequest, limit: number, signal: AbortSignal): Promise<Page<T>> => {
  let isSlow: boolean = false;
  for (let size = limit; ; ) {
    try {
      return await readPage<T>(client, request, size, signal);
    } catch (error) {
      const next = isSlow && isTimeout(error) ? undefined : smaller(size, error);
      if (next === undefined) throw error;
      isSlow ||= isTimeout(error);
      size = next;
    }
  }
};

const readPages = async <T extends KubeObject>(
  client: KubeClient,
  { kind, options, transform = (object) => object }: ListRequest<T>,
  signal: AbortSignal,
): Promise<FullList<T>> => {
  const items: T[] = [];
  const path = collectionPath(kind, options.namespace);
  const { labelSelector, fieldSelector } = options;
  const { pageSize = PAGE_SIZE } = options;
  let size = pageSize;
  let next: string | undefined;
  for (;;) {
    const query = { continue: next, labelSelector, fieldSelector };
    const { page, limit } = await readPageThatFits<T>(client, { method: 'GET', path, query }, size, signal);
    for (const item of page.items ?? []) {
      // Items of a list come without their type, those of a watch with it.
      item.apiVersion ??= kind.apiVersion;
      item.kind ??= kind.kind;
      items.push(transform(item));
    }
    // A few large objects must not make all pages after them short.
    size = limit === size ? Math.min(pageSize, 2 * size) : limit;
    next = page.metadata.continue || undefined;
    if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
  }
};

/** Pages through a list; starts over when the server no longer has the version of its pages. */
export const listAll = async <T extends KubeObject>(
  client: KubeClient,
  request: ListRequest<T>,
  signal: AbortSignal,
): Promise<FullList<T>> => {
  for (let restarts = 0; ; restarts += 1) {
    try {
      return await readPages(client, request, signal);
    } catch (error) {
      if (!isGone(error) || restarts >= MAX_RESTARTS) throw error;
    }
  }
};
