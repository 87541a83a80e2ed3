import type { KubeObject } from '../../api/index.ts';
import { isGone, isTimeout, KubeConnectionError } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import { type KindDescriptor, type ListOptions, MAX_OBJECT_BYTES, type RawRequest, type WriteResult } from '../types.ts';

interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: T[] | null;
}

/** Client method that lists need. */
interface RawClient {
  raw<T>(request: RawRequest, signal: AbortSignal): Promise<WriteResult<T>>;
}

/** All objects of a list, from all its pages. */
export interface FullList<T> {
  readonly items: T[];
  /** Version from which a watch continues. */
  readonly resourceVersion: string;
}

/** Kind to list, with selectors and the reduction of objects. */
export interface ListRequest<T extends KubeObject> {
  readonly kind: KindDescriptor<T>;
  readonly options: ListOptions;
  /**
   * Reduces each object as soon as its page arrives, so that memory holds at most one page of whole
   * objects.
   */
  readonly transform?: ((object: T) => T) | undefined;
}

const PAGE_SIZE = 500;
/**
 * Largest page, in bytes. A larger one is requested again in halves: parsed, a page takes several
 * times as much memory, and an object may have 1.5 MB.
 */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
/** Longest time without a byte, in ms. A list may take long, but must make progress. */
const SILENCE_MS = 60_000;
/** Most restarts of an expired list. A list that expires more often is too large for the server. */
const MAX_RESTARTS = 3;

const isTooLarge = (error: unknown): boolean => error instanceof KubeConnectionError && error.tooLarge;
/**
 * Divisor of the page size after a timeout. A slow server gets one chance with a much smaller page;
 * one that does not respond must not go unnoticed.
 */
const SLOW_DIVISOR = 8;

/**
 * Number of pages after which a page size that was too large is tried again, as objects differ in
 * size.
 */
const PAGES_BEFORE_RETRY = 16;

/**
 * Page size of one list. A few large objects must not make all later pages small. A slow server
 * gets small pages to the end.
 */
class PageSize {
  readonly #max: number;
  #current: number;
  /** Last size that was too large. */
  #tooLarge: number | undefined;
  #pagesSince = 0;
  #isSlow: boolean = false;

  constructor(max: number) {
    this.#max = max;
    this.#current = max;
  }

  get current(): number {
    return this.#current;
  }

  /** Chooses the size after a failed page. @returns false if a smaller page would not help */
  shrink(error: unknown): boolean {
    if (this.#current === 1) return false;
    if (isTooLarge(error)) {
      this.#tooLarge = this.#current;
      this.#pagesSince = 0;
      this.#current = Math.ceil(this.#current / 2);
      return true;
    }
    if (!isTimeout(error)) return false;
    this.#isSlow = true;
    this.#current = Math.ceil(this.#current / SLOW_DIVISOR);
    return true;
  }

  /** Chooses the size after a successful page. */
  grow(): void {
    if (this.#isSlow) return;
    this.#pagesSince += 1;
    if (this.#pagesSince >= PAGES_BEFORE_RETRY) this.#tooLarge = undefined;
    const next = Math.min(this.#max, 2 * this.#current);
    if (this.#tooLarge === undefined || next < this.#tooLarge) this.#current = next;
  }
}

const readPage = async <T>(client: RawClient, request: RawRequest, limit: number, signal: AbortSignal): Promise<ListPage<T>> => {
  // A page of one object cannot be made smaller.
  const maxBytes = limit === 1 ? MAX_OBJECT_BYTES : MAX_PAGE_BYTES;
  const query = { ...request.query, limit: String(limit) };
  return (await client.raw<ListPage<T>>({ ...request, maxBytes, query, silenceMs: SILENCE_MS }, signal)).object;
};

const readPageThatFits = async <T>(client: RawClient, request: RawRequest, size: PageSize, signal: AbortSignal): Promise<ListPage<T>> => {
  let hasTimedOut: boolean = false;
  for (;;) {
    try {
      const page = await readPage<T>(client, request, size.current, signal);
      size.grow();
      return page;
    } catch (error) {
      if ((hasTimedOut && isTimeout(error)) || !size.shrink(error)) throw error;
      hasTimedOut ||= isTimeout(error);
    }
  }
};

const readPages = async <T extends KubeObject>(
  client: RawClient,
  { kind, options, transform = (object) => object }: ListRequest<T>,
  size: PageSize,
  signal: AbortSignal,
): Promise<FullList<T>> => {
  const items: T[] = [];
  const path = collectionPath(kind, options.namespace);
  const { labelSelector, fieldSelector } = options;
  let next: string | undefined;
  for (;;) {
    const query = { continue: next, labelSelector, fieldSelector };
    const page = await readPageThatFits<T>(client, { method: 'GET', path, query }, size, signal);
    for (const item of page.items ?? []) {
      // Items of a list have no type, unlike those of a watch.
      item.apiVersion ??= kind.apiVersion;
      item.kind ??= kind.kind;
      items.push(transform(item));
    }
    next = page.metadata.continue || undefined;
    if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
  }
};

/** Lists all pages. Starts over if the server no longer has the version of the pages. */
export const listAll = async <T extends KubeObject>(
  client: RawClient,
  request: ListRequest<T>,
  signal: AbortSignal,
): Promise<FullList<T>> => {
  const size = new PageSize(request.options.pageSize ?? PAGE_SIZE);
  for (let restarts = 0; ; restarts += 1) {
    try {
      return await readPages(client, request, size, signal);
    } catch (error) {
      if (!isGone(error) || restarts >= MAX_RESTARTS) throw error;
    }
  }
};
