import type { KubeObject } from '../api/index.ts';
import { isGone, isTimeout, KubeConnectionError } from './errors.ts';
import { collectionPath } from './paths.ts';
import type { KindDescriptor, KubeClient, ListOptions, RawRequest } from './types.ts';

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

/** Whether fewer objects may go where so many did not: the answer was too long, came too late, or the server gave up on it. */
const isTooMuch = (error: unknown): boolean => isTimeout(error) || (error instanceof KubeConnectionError && error.tooLarge);

/** Reads one page. @returns it, with the number of objects that was asked for in the end */
const readPage = async <T>(
  client: KubeClient,
  request: RawRequest,
  limit: number,
  signal: AbortSignal,
): Promise<{ page: ListPage<T>; limit: number }> => {
  for (let size = limit; ; size = Math.ceil(size / 2)) {
    // A single object is as long as it is.
    const bound = size === 1 ? {} : { maxBytes: MAX_PAGE_BYTES };
    const query = { ...request.query, limit: String(size) };
    try {
      const { object } = await client.raw<ListPage<T>>({ ...request, ...bound, query, silenceMs: SILENCE_MS }, signal);
      return { page: object, limit: size };
    } catch (error) {
      if (size === 1 || !isTooMuch(error)) throw error;
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
    const { page, limit } = await readPage<T>(client, { method: 'GET', path, query }, size, signal);
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
