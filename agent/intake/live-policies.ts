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

/**
 * The SovereignPolicies as they stand in the cluster: what the informer shows, corrected by own writes that it has not
 * shown yet. Without the correction a plan right after a write would take the old object for the live one.
 */
export class LivePolicies {
  readonly #informer: Informer<SovereignPolicy>;
  readonly #clock: Clock;
  readonly #own = new Map<string, OwnWrite>();

  constructor(informer: Informer<SovereignPolicy>, clock: Clock) {
    this.#informer = informer;
    this.#clock = clock;
  }

  get(key: string): SovereignPolicy | undefined {
    const shown = this.#informer.get(keyOf(parsePolicyKey(key)));
    const own = this.#own.get(key);
    if (own === undefined) return shown;
    if (own.type === 'deleted') return shown?.metadata.uid === own.uid ? undefined : shown;
    return shown === undefined || version(shown) < version(own.object) ? own.object : shown;
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
    this.#own.set(key, { type: 'applied', object, at: this.#clock.monotonicMs() });
  }

  deleted(key: string, live: SovereignPolicy): void {
    this.#own.set(key, { type: 'deleted', uid: live.metadata.uid, at: this.#clock.monotonicMs() });
  }

  forgetOld(): void {
    const now = this.#clock.monotonicMs();
    for (const [key, { at }] of this.#own) if (now - at > FORGET_AFTER_MS) this.#own.delete(key);
  }

  /** The informer showed something of this key: forgets the own write if it has caught up with it. */
  shown(key: string, current: SovereignPolicy | undefined, previous: SovereignPolicy | undefined): void {
    const own = this.#own.get(key);
    if (own === undefined) return;
    const newest = current ?? previous;
    if (own.type === 'deleted') {
      if (current === undefined || current.metadata.uid !== own.uid) this.#own.delete(key);
      return;
    }
    if (newest !== undefined && hasCaughtUp(own.object, newest, current === undefined)) this.#own.delete(key);
  }
}

/** A deletion that was shown is newer than the own write if it was that very object. */
const hasCaughtUp = (own: SovereignPolicy, newest: SovereignPolicy, gone: boolean): boolean =>
  gone ? own.metadata.uid === newest.metadata.uid : version(newest) >= version(own);
