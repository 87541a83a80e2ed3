import { isDeepStrictEqual } from 'node:util';
import type { KubeObject } from '@fso/shared/api';
import type { Informer, InformerFactory } from '@fso/shared/kube';
import { type Clock, type Evicted, listText, SharedRoom } from '@fso/shared/runtime';
import { OWNER_KINDS, type Owner, type OwnerKind, ownerDescriptor } from './owner-kinds.ts';
import { nameOnly, reduceOwner, reduceToName } from './reduce-owner.ts';

/** Most objects, of all kinds of owners, of which more than the name is kept. */
export const MAX_OWNERS = 20_000;
/**
 * Most such objects of one namespace. A Deployment alone keeps ten ReplicaSets of past revisions.
 */
const MAX_OWNERS_IN_NAMESPACE = 12_000;
/** Longer than any list takes from one of its pages to its end, in ms. */
const LIST_MS = 15 * 60_000;
/** Most objects in one response, as pod templates may be large. */
const PAGE = 100;

/** Owners of one namespace. Each change gives a new object. */
export type OwnerSet = ReadonlyMap<OwnerKind, ReadonlyMap<string, Owner>>;

const NO_OWNERS: OwnerSet = new Map();

/** New object on a page of an unfinished list. */
interface Listed {
  readonly kind: OwnerKind;
  readonly namespace: string;
  readonly name: string;
  readonly atMs: number;
}

/** Source and bounds of the informers of owners. */
export interface OwnerCacheDeps {
  readonly factory: InformerFactory;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** Time without news of a kind after which it is out of date, in ms. */
  readonly kindMs: number;
  /** Shortest time between two lists caused by a silent watch, in ms. */
  readonly listEveryMs?: number | undefined;
  readonly maxOwners?: number;
}

/**
 * Objects of the cluster that create pods, reduced to what decides where their next pods may run.
 * Kept apart from the view that enforcement depends on: unreadable objects here only make risks
 * unknown.
 */
export class OwnerCache {
  readonly #deps: OwnerCacheDeps;
  readonly #informers: readonly (readonly [OwnerKind, Informer<Owner>])[];
  readonly #sets = new Map<string, Map<OwnerKind, Map<string, Owner>>>();
  readonly #changed = new Set<() => void>();
  /** Tracks the objects of which more than the name is kept, by namespace. */
  readonly #room: SharedRoom;
  readonly #leftOut = new Map<string, number>();
  /** New objects on pages of unfinished lists, most recently seen last. */
  readonly #listed = new Map<string, Listed>();

  constructor(deps: OwnerCacheDeps) {
    const { factory, listEveryMs } = deps;
    this.#deps = deps;
    this.#room = new SharedRoom({ max: deps.maxOwners ?? MAX_OWNERS, maxOfOne: MAX_OWNERS_IN_NAMESPACE });
    this.#informers = OWNER_KINDS.map((kind) => {
      const reduce = reduceOwner(kind);
      const transform = (object: KubeObject): Owner => {
        const { namespace = '', name } = object.metadata;
        return this.#takeRoom({ kind, namespace, name }) ? reduce(object) : nameOnly(object);
      };
      const informer = factory.informer(ownerDescriptor(kind), {
        pageSize: PAGE,
        transform,
        ...(listEveryMs !== undefined && { listEveryMs }),
      });
      informer.onChange((key, current, previous) => this.#set(kind, key, { current, previous }));
      return [kind, informer] as const;
    });
  }

  /** Owners of a namespace: the same object while they are unchanged. */
  ownersIn(namespace: string): OwnerSet {
    return this.#sets.get(namespace) ?? NO_OWNERS;
  }

  /** Number of objects of which only the name is kept, and which are not judged, by namespace. */
  get leftOut(): ReadonlyMap<string, number> {
    return this.#leftOut;
  }

  /** Reason why risks are unknown now, if they are. */
  get problem(): string | undefined {
    const { clock, kindMs } = this.#deps;
    const unread = this.#informers.filter(([, { seenAtMs }]) => seenAtMs === undefined || clock.monotonicMs() - seenAtMs > kindMs);
    if (unread.length === 0) return undefined;
    const [forbidden] = unread.filter(([, { failure }]) => failure?.cause === 'forbidden');
    const kinds = listText(unread.map(([kind]) => ownerDescriptor(kind).plural));
    return forbidden === undefined ? `not read now: ${kinds}` : `the agent may not read ${kinds}: its ClusterRole is older than it is`;
  }

  /** @param handler called when an owner changes */
  subscribe(handler: () => void): () => void {
    this.#changed.add(handler);
    return () => this.#changed.delete(handler);
  }

  /** Lists everything again. Until then all kinds count as never read. */
  restart(): void {
    for (const [, informer] of this.#informers) informer.restart();
  }

  /** Reduces an object to its name, to make room for one of a namespace with fewer objects. */
  #evict({ holder: namespace, item }: Evicted): void {
    const [kind, name] = item.split('/') as [OwnerKind, string];
    const owner = this.#sets.get(namespace)?.get(kind)?.get(name);
    if (owner === undefined) return;
    this.#countLeftOut(namespace, 1);
    this.#put(kind, { namespace, name }, undefined);
    // The informer holds the same object and must not keep more of it either.
    reduceToName(owner);
  }

  #takeRoom({ kind, namespace, name }: Omit<Listed, 'atMs'>): boolean {
    const item = `${kind}/${name}`;
    const key = `${namespace}/${item}`;
    const isListed = this.#listed.delete(key);
    if (!isListed && this.#room.has(namespace, item)) return true;
    this.#releaseUnlisted();
    if (!this.#room.take(namespace, item, (evicted) => this.#evict(evicted))) return false;
    this.#listed.set(key, { kind, namespace, name, atMs: this.#deps.clock.monotonicMs() });
    return true;
  }

  /**
   * Releases the room of objects that were listed but deleted before their list ended, as no event
   * reports their end.
   */
  #releaseUnlisted(): void {
    const sinceMs = this.#deps.clock.monotonicMs() - LIST_MS;
    for (const [key, { kind, namespace, name, atMs }] of this.#listed) {
      if (atMs > sinceMs) return;
      this.#listed.delete(key);
      this.#room.release(namespace, `${kind}/${name}`);
    }
  }

  #countLeftOut(namespace: string, change: number): void {
    const count = (this.#leftOut.get(namespace) ?? 0) + change;
    if (count > 0) this.#leftOut.set(namespace, count);
    else this.#leftOut.delete(namespace);
  }

  #set(kind: OwnerKind, key: string, { current, previous }: { current: Owner | undefined; previous: Owner | undefined }): void {
    const [namespace = '', name = ''] = key.split('/');
    this.#listed.delete(`${namespace}/${kind}/${name}`);
    // It may have lost its room between its page of a list and the end of that list.
    if (current !== undefined && !isLeftOut(current) && !this.#room.has(namespace, `${kind}/${name}`)) reduceToName(current);
    const change = Number(isLeftOut(current)) - Number(isLeftOut(previous));
    if (change !== 0) this.#countLeftOut(namespace, change);
    const kept = isLeftOut(current) ? undefined : current;
    if (kept === undefined) this.#room.release(namespace, `${kind}/${name}`);
    if (!isSameOwner(this.#sets.get(namespace)?.get(kind)?.get(name), kept)) this.#put(kind, { namespace, name }, kept);
  }

  #put(kind: OwnerKind, { namespace, name }: { namespace: string; name: string }, owner: Owner | undefined): void {
    const kinds = this.#sets.get(namespace) ?? new Map<OwnerKind, Map<string, Owner>>();
    const owners = kinds.get(kind) ?? new Map<string, Owner>();
    if (owner === undefined) owners.delete(name);
    else owners.set(name, owner);
    kinds.set(kind, owners);
    if ([...kinds.values()].every(({ size }) => size === 0)) this.#sets.delete(namespace);
    else this.#sets.set(namespace, new Map(kinds));
    for (const handler of this.#changed) handler();
  }
}

/**
 * Whether only the name of an object is kept. Every object has a uid, but only whole ones keep it.
 */
const isLeftOut = (owner: Owner | undefined): boolean => owner !== undefined && owner.metadata.uid === undefined;

/** Whether two objects differ only in their version. Controllers update statuses all the time. */
const isSameOwner = (a: Owner | undefined, b: Owner | undefined): boolean => {
  if (a === undefined || b === undefined) return a === b;
  const { metadata: before, ...restBefore } = a;
  const { metadata: now, ...restNow } = b;
  return before.uid === now.uid && before.generation === now.generation && isDeepStrictEqual(restBefore, restNow);
};
