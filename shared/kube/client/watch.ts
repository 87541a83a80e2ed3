import type { KubeObject } from '../../api/index.ts';
import { LineSplitter } from '../../runtime/index.ts';
import { KubeApiError, KubeConnectionError, type Status } from '../errors.ts';
import { collectionPath } from '../paths.ts';
import { type KindDescriptor, type ListOptions, MAX_OBJECT_BYTES } from '../types.ts';
import type { KubeClient } from './client.ts';

type RawEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: T }
  | { readonly type: 'ERROR'; readonly object: Status };

/** Event of a watch. The object of a BOOKMARK has only a resourceVersion. */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

/** Kind to watch, with its start version and the limit on silence. */
export interface WatchRequest<T extends KubeObject> {
  readonly kind: KindDescriptor<T>;
  readonly options: ListOptions;
  readonly resourceVersion: string;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Longest time without a byte, in ms. Default {@link WATCH_SILENCE_MS}. */
  readonly silenceMs?: number | undefined;
  /** Called if the client, and not the server, ended the watch. It may have missed events. */
  readonly onAbandoned?: () => void;
}

const MIN_LIFE_S = 300;
/** Time in s after which the client ends a watch that the server should have ended. */
const OVERDUE_S = 30;
/**
 * Default limit on silence, in ms. Servers send a bookmark about once a minute, but do not promise
 * any.
 */
export const WATCH_SILENCE_MS = 75_000;

/**
 * Streams the events after a version. The server ends the watch after a random 5–10 min, so that
 * watches end one by one. The client ends it half a minute later, because a program that
 * impersonates the server must not keep a watch for ever. It also ends a silent watch, which does
 * not show whether the server is quiet or gone.
 *
 * @throws KubeApiError with reason `Expired` if the server no longer has the version
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
 * Parses a stream of JSON documents, one per line. Chunks may end anywhere, even within a
 * character.
 *
 * @throws SyntaxError for a line that is not JSON; RangeError for one that is longer than any
 * object
 */
export async function* jsonLines<T>(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<T, void, undefined> {
  const decoder = new TextDecoder();
  const splitter = new LineSplitter(MAX_OBJECT_BYTES);
  for await (const chunk of chunks) {
    for (const line of splitter.push(decoder.decode(chunk, { stream: true }))) {
      if (line.trim() !== '') yield JSON.parse(line) as T;
    }
  }
  // A line that the stream cut off is dropped. The watch resumes after the last whole event.
}
