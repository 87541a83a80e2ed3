import { isDeepStrictEqual } from 'node:util';
import { parsePolicyKey, policyKeyOf, type SovereignPolicy } from '@fso/shared/api';
import { type Informer, keyOf } from '@fso/shared/kube';
import type { Clock } from '@fso/shared/runtime';

/** An own write that the informer may not have shown yet. */
type OwnWrite = { readonly at: number } & (
  | { readonly type: 'applied'; readonly object: SovereignPolicy }
  | { readonly type: 'deleted'; readonly uid: string | undefined }
);

/** A write that was undone while the watch was down is never shown; after this time the informer is believed again. */
const FORGET_AFTER_MS = 30_000;

/** Versions of one kind can be compared as numbers (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions). */
const version = ({ metadata }: SovereignPolicy): bigint =>
  /^\d+$/.test(metadata.resourceVersion ?? '') ? BigInt(metadata.resourceVersion ?? '') : 0n;

/** Whether two states of a policy differ at most in what is no part of its content, such as its status, which this agent writes itself. */
const isSameContent = (a: SovereignPolicy | undefined, b: SovereignPolicy | undefined): boolean => {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return a.metadata.generation !== undefined && isDeepStrictEqual(contentOf(a), contentOf(b));
};

/** A spec of another content has another generation. */
const contentOf = ({ metadata }: SovereignPolicy) => {
  const { uid, generation, labels, annotations, deletionTimestamp, finalizers } = metadata;
  return { uid, generation, labels, annotations, deletionTimestamp, finalizers };
};

/** Returns the policy as it stands in the cluster: the newer of what the informer shows and an own write. */
const resolve = (shown: SovereignPolicy | undefined, own: OwnWrite | undefined): SovereignPolicy | undefined => {
  if (own === undefined) return shown;
  if (own.type === 'deleted') return shown?.metadata.uid === own.uid ? undefined : shown;
  return shown === undefined || version(shown) < version(own.object) ? own.object : shown;
};

/**
 * The SovereignPolicies as they stand in the cluster: what the informer shows, corrected by own writes that it has not
 * shown yet. Without the correction a plan right after a write would take the old object for the live one.
 */
export class LivePolicies {
  readonly #informer: Informer<SovereignPolicy>;
  readonly #clock: Clock;
  readonly #own = new Map<string, OwnWrite>();
  #version = 0;

  constructor(informer: Informer<SovereignPolicy>, clock: Clock) {
    this.#informer = informer;
    this.#clock = clock;
  }

  /** Another number after each change of a policy's content; its status is none. */
  get version(): number {
    return this.#version;
  }

  get(key: string): SovereignPolicy | undefined {
    return resolve(this.#informer.get(keyOf(parsePolicyKey(key))), this.#own.get(key));
  }

  all(): ReadonlyMap<string, SovereignPolicy> {
    const keys = new Set([...this.#informer.list().map(policyKeyOf), ...this.#own.keys()]);
    const all = new Map<string, SovereignPolicy>();
    for (const key of keys) {
      const live = this.get(key);
      if (live !== undefined) all.set(key, live);
    }
    return all;
  }

  applied(key: string, object: SovereignPolicy): void {
    this.#setOwn(key, { type: 'applied', object, at: this.#clock.monotonicMs() });
  }

  deleted(key: string, live: SovereignPolicy): void {
    this.#setOwn(key, { type: 'deleted', uid: live.metadata.uid, at: this.#clock.monotonicMs() });
  }

  forgetOld(): void {
    const now = this.#clock.monotonicMs();
    for (const [key, { at }] of this.#own) if (now - at > FORGET_AFTER_MS) this.#setOwn(key, undefined);
  }

  /** The informer showed something of this key: forgets the own write if it has caught up with it. */
  shown(key: string, current: SovereignPolicy | undefined, previous: SovereignPolicy | undefined): void {
    const own = this.#own.get(key);
    if (own !== undefined && isShown(own, current, previous)) this.#own.delete(key);
    this.#note(resolve(previous, own), resolve(current, this.#own.get(key)));
  }

  #setOwn(key: string, write: OwnWrite | undefined): void {
    const before = this.get(key);
    if (write === undefined) this.#own.delete(key);
    else this.#own.set(key, write);
    this.#note(before, this.get(key));
  }

  #note(before: SovereignPolicy | undefined, now: SovereignPolicy | undefined): void {
    if (!isSameContent(before, now)) this.#version += 1;
  }
}

/** Whether the informer has caught up with an own write. */
const isShown = (own: OwnWrite, current: SovereignPolicy | undefined, previous: SovereignPolicy | undefined): boolean => {
  if (own.type === 'deleted') return current === undefined || current.metadata.uid !== own.uid;
  const newest = current ?? previous;
  return newest !== undefined && hasCaughtUp(own.object, newest, current === undefined);
};

/** A deletion that was shown is newer than the own write if it was that very object. */
const hasCaughtUp = (own: SovereignPolicy, newest: SovereignPolicy, gone: boolean): boolean =>
  gone ? own.metadata.uid === newest.metadata.uid : version(newest) >= version(own);
