import { weakMemo } from '../enforce/compare.ts';
import type { Action } from '../enforce/index.ts';

/** What rewriting one object may cost on the average: etcd, and every API server, gets all of it anew each time. */
const BYTES_PER_MS = 200;

/**
 * Holds back writes of FloorParameters while they come one after the other: each is written as a whole, and the larger the
 * cluster is the more often something in it changes. The first change after a pause is never held, nor is a repair, an object that
 * is not there, or a node that is no longer where the object says. What waits is enforced meanwhile by the labels of its namespace, or
 * refused where nothing is known of it yet.
 */
export class ParametersThrottle {
  readonly #bodies = new Map<string, object>();
  readonly #notBefore = new Map<string, number>();

  due(actions: readonly Action[], now: number): { actions: readonly Action[]; waitMs: number | undefined } {
    const due = actions.filter((action) => action.reason !== 'Grow' || (this.#notBefore.get(action.key) ?? 0) <= now);
    for (const action of due) if (action.type === 'apply') this.#bodies.set(action.key, action.body);
    if (due.length === actions.length) return { actions, waitMs: undefined };
    const held = actions.filter((action) => !due.includes(action));
    return { actions: due, waitMs: Math.min(...held.map(({ key }) => (this.#notBefore.get(key) ?? 0) - now)) };
  }

  /** A write succeeded; of any object. */
  written(key: string, now: number): void {
    const body = this.#bodies.get(key);
    if (body !== undefined) this.#notBefore.set(key, now + bytesOf(body) / BYTES_PER_MS);
  }
}

/** Names, regions and keys are ASCII. */
const bytesOf = weakMemo((body: object): number => JSON.stringify(body).length);
