import type { KubeObject } from '../api/index.ts';
import { isGone } from './errors.ts';
import { collectionPath } from './paths.ts';
import type { KindDescriptor, KubeClient, ListOptions } from './types.ts';

interface ListPage<T> {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: T[] | null;
}

export interface FullList<T> {
  readonly items: T[];
  /** Where a watch continues. */
  readonly resourceVersion: string;
}

const PAGE_SIZE = '500';
/** A list that expires this often while it is read is larger than the server can hand out. */
const MAX_RESTARTS = 3;

const readPages = async <T extends KubeObject>(
  client: KubeClient,
  kind: KindDescriptor<T>,
  options: ListOptions,
  signal: AbortSignal,
): Promise<FullList<T>> => {
  const items: T[] = [];
  const path = collectionPath(kind, options.namespace);
  const { labelSelector, fieldSelector } = options;
  let next: string | undefined;
  for (;;) {
    const query = { limit: PAGE_SIZE, continue: next, labelSelector, fieldSelector };
    const { object: page } = await client.raw<ListPage<T>>({ method: 'GET', path, query }, signal);
    for (const item of page.items ?? []) {
      // Items of a list come without their type, those of a watch with it.
      item.apiVersion ??= kind.apiVersion;
      item.kind ??= kind.kind;
      items.push(item);
    }
    next = page.metadata.continue || undefined;
    if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
  }
};

/** Pages through a list; starts over when the server no longer has the version that the pages are of. */
export const listAll = async <T extends KubeObject>(
  client: KubeClient,
  kind: KindDescriptor<T>,
  options: ListOptions,
  signal: AbortSignal,
): Promise<FullList<T>> => {
  for (let restarts = 0; ; restarts += 1) {
    try {
      return await readPages(client, kind, options, signal);
    } catch (error) {
      if (!isGone(error) || restarts >= MAX_RESTARTS) throw error;
    }
  }
};
