import type { KubeObject } from '../api/index.ts';

/** Describes one Kubernetes kind: all that URLs, list, watch and apply need. */
export interface KindDescriptor<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries the object's type; never set. */
  readonly object?: T;
}

/** Names one object of a kind; `namespace` is absent for cluster-scoped kinds. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

/**
 * Key of an object among those of its kind: `namespace/name`, or `name` for cluster-scoped kinds.
 */
export type ObjectKey = string;

/** Objects to list: namespace and selectors; absent: all. */
export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects in one response; fewer when they turn out to be large. Default 500. */
  readonly pageSize?: number;
}

/** The response to a write, with its `Warning` headers (RFC 9111 code 299). */
export interface WriteResult<T> {
  readonly object: T;
  readonly warnings: readonly string[];
}

/** Field manager of a server-side apply, and whether it takes over fields of others. */
export interface ApplyOptions {
  readonly fieldManager: string;
  /**
   * Takes over fields of other managers. Default false: a conflict is a KubeApiError with reason
   * `Conflict`.
   */
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly subresource?: 'status';
}

/**
 * Largest object as JSON: an API server takes a request of at most 3 MiB, and etcd an object of 1.5
 * MiB, which JSON makes longer.
 */
export const MAX_OBJECT_BYTES: number = 16 * 1024 * 1024;

/** A request that the client sends as given, for subresources and other paths. */
export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the server, e.g. `/api/v1/namespaces/x/pods/y/binding`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Limit of the whole exchange. Default: that of the client. */
  readonly timeoutMs?: number;
  /** Longest time without a byte, in place of `timeoutMs`, for responses of unknown length. */
  readonly silenceMs?: number;
  /**
   * A longer response is an error; the client stops reading it. Default {@link MAX_OBJECT_BYTES}.
   */
  readonly maxBytes?: number;
}

/** Objects that an informer keeps, and how it reduces them. */
export interface InformerOptions<T extends KubeObject> extends ListOptions {
  /**
   * Reduces an object as soon as it is read; the informer keeps only the result. What it throws
   * fails the list or the watch.
   */
  readonly transform?: (object: T) => T;
  /**
   * Shortest interval between lists after a silent or broken watch, ms; in between one object shows
   * that the kind can be read. Default: no limit.
   */
  readonly listEveryMs?: number;
}

/** Handler of a change; `current` undefined: deleted, `previous` undefined: new. */
export type ChangeHandler<T> = (key: ObjectKey, current: T | undefined, previous: T | undefined) => void;

/** Reason why a kind cannot be read at the moment. */
export interface ReadFailure {
  /**
   * forbidden: this client lacks the right (403), which says nothing of the objects. unreachable:
   * no answer came.
   */
  readonly cause: 'forbidden' | 'unreachable' | 'failing';
  readonly message: string;
}

/**
 * A local, live copy of one kind: list, then watch; relist on 410; slow retry while the kind is not
 * served.
 */
export interface Informer<T extends KubeObject> {
  get(key: ObjectKey): T | undefined;
  list(): readonly T[];
  /** Whether the first list is complete; once true, it stays true. */
  readonly synced: boolean;
  /**
   * Whether the API server serves the kind now; a client that may not read it does not know better
   * and leaves it as it was.
   */
  readonly served: boolean;
  /**
   * Time at which the kind was last seen, in ms of the monotonic clock: by a whole list, an event,
   * a bookmark, or a second answer in a row that it is not served. Undefined: never, or not since
   * {@link restart}.
   */
  readonly seenAtMs: number | undefined;
  /** Undefined: the last request succeeded. */
  readonly failure: ReadFailure | undefined;
  /**
   * Resolves at the first full list, or once the API server has answered that there is none, or
   * none for this client.
   */
  ready(signal: AbortSignal): Promise<void>;
  /**
   * @returns a function that removes the handler. Handlers only enqueue; their errors are logged,
   * never fatal.
   */
  onChange(handler: ChangeHandler<T>): () => void;
  /** Lists again from scratch; resolves when the new list is complete. */
  relist(signal: AbortSignal): Promise<void>;
  /**
   * Lists again, and counts as never seen until then: what was read before may be too old to say
   * anything.
   */
  restart(): void;
  /** Called when `served` changes. */
  onServed(handler: (served: boolean) => void): () => void;
}

/** Starts informers on one client; all end with the signal. */
export interface InformerFactory {
  informer<T extends KubeObject>(kind: KindDescriptor<T>, options?: InformerOptions<T>): Informer<T>;
}

/** Result of a successful reconcile; absent `requeueAfterMs`: not until the next change. */
export type ReconcileResult = { readonly requeueAfterMs?: number };
