import type { KubeObject } from '../../api/index.ts';
import { isGone, isTimeout, KubeConnectionError } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import type { KindDescriptor, KubeClient, ListOptions, RawRequest } from '../types.ts';

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
  /** Reduces each object as its page arrives, so that no more than one page is ever held whole. */
  readonly transform?: ((object: T) => T) | undefined;
}

const PAGE_SIZE = 500;
/** A page that is longer is asked for in halves. Parsed it takes several times as much, and an object has up to 1.5 MB. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** A list may take long, but something of it must arrive. */
const SILENCE_MS = 60_000;
/** A list that expires this often while it is read is larger than the server can hand out. */
const MAX_RESTARTS = 3;

const isTooLarge = (error: unknown): boolean => error instanceof KubeConnectionError && error.tooLarge;
/** A server that was too slow for a page gets one chance with a much smaller one; one that does not answer must be noticed. */
const SLOW_DIVISOR = 8;

interface Page<T> {
  readonly page: ListPage<T>;
  /** Objects that were asked for in the end. */
  readonly limit: number;
}

/** How many objects to ask for where an answer with so many failed; undefined: it did not fail for their number. */
const smaller = (limit: number, error: unknown): number | undefined => {
  if (limit === 1) return undefined;
  if (isTooLarge(error)) return Math.ceil(limit / 2);
  return isTimeout(error) ? Math.ceil(limit / SLOW_DIVISOR) : undefined;
};

const readPage = async <T>(client: KubeClient, request: RawRequest, limit: number, signal: AbortSignal): Promise<Page<T>> => {
  // A single object is as long as it is.
  const bound = limit === 1 ? {} : { maxBytes: MAX_PAGE_BYTES };
  const query = { ...request.query, limit: String(limit) };
  const { object: page } = await client.raw<ListPage<T>>({ ...request, ...bound, query, silenceMs: SILENCE_MS }, signal);
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
  let size = options.pageSize ?? PAGE_SIZE;
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
    size = limit;
    next = page.metadata.continue || undefined;
    if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
  }
};

/** Pages through a list; starts over when the server no longer has the version that the pages are of. */
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
