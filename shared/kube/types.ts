import type { KubeObject } from '../api/index.ts';

/** Description of one Kubernetes kind, as needed for URLs, list, watch and apply. */
export interface KindDescriptor<T extends KubeObject = KubeObject> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Carries the object's type. Never set. */
  readonly object?: T;
}

/** Name of one object of a kind. `namespace` is absent for cluster-scoped kinds. */
export interface ObjectRef {
  readonly namespace?: string;
  readonly name: string;
}

/**
 * Key of an object among those of its kind: `namespace/name`, or `name` for cluster-scoped kinds.
 */
export type ObjectKey = string;

/** Objects to list, by namespace and selectors. Absent: all. */
export interface ListOptions {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Objects per response; fewer if they are large. Default 500. */
  readonly pageSize?: number;
}

/** Response to a write, with its `Warning` headers (RFC 9111 code 299). */
export interface WriteResult<T> {
  readonly object: T;
  readonly warnings: readonly string[];
}

/** Field manager of a server-side apply, and whether it takes over fields of others. */
export interface ApplyOptions {
  readonly fieldManager: string;
  /**
   * Whether to take over fields of other managers. Default false: a conflict is a KubeApiError with
   * reason `Conflict`.
   */
  readonly force?: boolean;
  readonly dryRun?: boolean;
  readonly subresource?: 'status';
}

/**
 * Largest object as JSON, in bytes. An API server accepts requests of up to 3 MiB, and etcd objects
 * of up to 1.5 MiB, which are longer as JSON.
 */
export const MAX_OBJECT_BYTES: number = 16 * 1024 * 1024;

/** Request that the client sends as given, for subresources and other paths. */
export interface RawRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the server, e.g. `/api/v1/namespaces/x/pods/y/binding`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly contentType?: string;
  /** Time limit of the whole exchange, in ms. Default: that of the client. */
  readonly timeoutMs?: number;
  /** Longest time without a byte, in ms. Replaces `timeoutMs` for responses of unknown length. */
  readonly silenceMs?: number;
  /**
   * Largest response, in bytes. The client stops reading a larger one and throws. Default
   * {@link MAX_OBJECT_BYTES}.
   */
  readonly maxBytes?: number;
}

/** Objects that an informer keeps, and how it reduces them. */
export interface InformerOptions<T extends KubeObject> extends ListOptions {
  /**
   * Reduces an object as soon as it is read. The informer keeps only the result. An error fails the
   * list or the watch.
   */
  readonly transform?: (object: T) => T;
  /**
   * Shortest interval between lists after silent or broken watches, in ms. In between, a read of
   * one object shows whether the kind can be read. Default: no limit.
   */
  readonly listEveryMs?: number;
}

/** Handler of a change. `current` undefined: deleted. `previous` undefined: new. */
export type ChangeHandler<T> = (key: ObjectKey, current: T | undefined, previous: T | undefined) => void;

/** Reason why a kind cannot be read now. */
export interface ReadFailure {
  /**
   * forbidden: this client lacks the right (403), which shows nothing about the objects.
   * unreachable: there was no response.
   */
  readonly cause: 'forbidden' | 'unreachable' | 'failing';
  readonly message: string;
}

/**
 * Local, live copy of one kind: list, then watch; relist on 410; slow retry while the kind is not
 * served.
 */
export interface Informer<T extends KubeObject> {
  get(key: ObjectKey): T | undefined;
  list(): readonly T[];
  /** Whether the first list is complete. Once true, it stays true. */
  readonly synced: boolean;
  /** Whether the API server serves the kind now. Unchanged while the client may not read it. */
  readonly served: boolean;
  /**
   * Time at which the kind was last seen, in ms of the monotonic clock: by a full list, an event, a
   * bookmark, or a second consecutive response that it is not served. undefined: never, or not
   * since {@link restart}.
   */
  readonly seenAtMs: number | undefined;
  /** undefined: the last request succeeded. */
  readonly failure: ReadFailure | undefined;
  /**
   * Resolves at the first full list, or once the API server has responded that the kind does not
   * exist, or may not be read by this client.
   */
  ready(signal: AbortSignal): Promise<void>;
  /**
   * Adds a handler. Handlers only enqueue; their errors are logged, never fatal.
   *
   * @returns function that removes the handler
   */
  onChange(handler: ChangeHandler<T>): () => void;
  /** Lists again from scratch. Resolves when the new list is complete. */
  relist(signal: AbortSignal): Promise<void>;
  /**
   * Lists again. Until then the kind counts as never seen, because earlier state may be too old.
   */
  restart(): void;
  /** Registers a handler for changes of `served`. */
  onServed(handler: (served: boolean) => void): () => void;
}

/** Starts informers of one client, which all end with the signal. */
export interface InformerFactory {
  informer<T extends KubeObject>(kind: KindDescriptor<T>, options?: InformerOptions<T>): Informer<T>;
}

/** Result of a successful reconcile. Without `requeueAfterMs` the next one follows a change. */
export type ReconcileResult = { readonly requeueAfterMs?: number };
