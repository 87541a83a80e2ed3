import type { KubeObject } from '../../api/index.ts';
import { LineSplitter } from '../../runtime/index.ts';
import { KubeApiError, KubeConnectionError, type Status } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import { type KindDescriptor, type ListOptions, MAX_OBJECT_BYTES } from '../types.ts';
import type { KubeClient } from './client.ts';

type RawEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: Status };

/** An event of a watch; the object of a BOOKMARK has only a resourceVersion. */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/** A kind to watch, from which resourceVersion, and when silence ends the watch. */
export interface WatchRequest<T extends KubeObject> {
  readonly kind: KindDescriptor<T>;
  readonly options: ListOptions;
  readonly resourceVersion: string;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Longest time without a byte. Default {@link WATCH_SILENCE_MS}. */
  readonly silenceMs?: number | undefined;
  /** Called where the client ended the watch, and not the server: it may have missed something. */
  readonly onAbandoned?: () => void;
}

const MIN_LIFE_S = 300;
/** The client ends a watch that the server has not ended by then. */
const OVERDUE_S = 30;
/** Servers send a bookmark about once a minute, but promise none. */
export const WATCH_SILENCE_MS = 75_000;

/**
 * Streams the events since a version, until the server ends the watch after a random 5–10 min, so
 * that watches end one by one, or the client half a minute later: a program that answers in the
 * server's place must not keep a watch for ever. Ends also where nothing more arrives, as a watch
 * does not show whether the server is quiet or gone.
 * @throws KubeApiError with reason `Expired` when the server no longer has the version.
 */
export async function* watch<T extends KubeObject>(
  client: Pick<KubeClient, 'stream'>,
  request: WatchRequest<T>,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const { kind, options, resourceVersion, random, silenceMs = WATCH_SILENCE_MS, onAbandoned } = request;
  const seconds = Math.round(MIN_LIFE_S * (1 + random()));
  const path = collectionPath(kind, options.namespace);
  const query = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    timeoutSeconds: String(seconds),
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
  };
  const overdue = AbortSignal.timeout((seconds + OVERDUE_S) * 1000);
  const chunks = await client.stream({ method: 'GET', path, query, silenceMs }, AbortSignal.any([signal, overdue]));
  try {
    for await (const event of jsonLines<RawEvent<T>>(chunks)) {
      if (event.type === 'ERROR') throw new KubeApiError(event.object.code ?? 500, event.object, { request: { method: 'GET', path } });
      yield event;
    }
  } catch (error) {
    signal.throwIfAborted();
    const isOver = overdue.aborted || (error instanceof KubeConnectionError && error.timedOut);
    if (!isOver) throw error;
    onAbandoned?.();
  }
}

/**
 * Parses a stream of JSON documents, one per line. Chunks may end anywhere, even inside a
 * character.
 * @throws SyntaxError at a line that is not JSON; RangeError at one that is longer than any object.
 */
export async function* jsonLines<T>(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  const splitter = new LineSplitter(MAX_OBJECT_BYTES);
  for await (const chunk of chunks) {
    for (const line of splitter.push(decoder.decode(chunk, { stream: true }))) {
      if (line.trim() !== '') yield JSON.parse(line) as T;
    }
  }
  // A line that the stream cut off is dropped; the watch starts again from the last whole event.
}
