import type { Clock } from '@fso/shared/runtime';
import type { ShapeSource } from '../judge-namespace.ts';
import { readTemplate } from '../owners/reduce-owner.ts';
import { apartFrom, askedPlacement, controllerOf, finishedAt, hasEnded, type SeenPod, type Shape } from './shape.ts';

/** Shapes that had to go, as there were too many. */
export interface DroppedShapes {
  readonly count: number;
  /** The namespace of the last one. */
  readonly namespace: string;
  readonly at: string;
}

/** Content of the ConfigMap of shapes. */
export interface StoredShapes {
  readonly shapes: readonly Shape[];
  readonly forgotten?: DroppedShapes | undefined;
}

type Known = Shape & { lastSeen: string; live: number; readonly bytes: number };

/** Facts that a {@link ShapeRecorder} needs for each pod. */
export interface ShapeRecorderDeps {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>;
  /** Whether placements are injected into the pods of a namespace now. */
  readonly isInjecting: (namespace: string) => boolean;
  /** Whether the cache of pods has a pod. @param key `namespace/name` */
  readonly hasPod: (key: string) => boolean;
  readonly maxBytes?: number;
}

const HOUR_MS = 3_600_000;
const KEPT_MS = 14 * 24 * HOUR_MS;
/** Longer than any list takes from one of its pages to its end, in ms. */
const LIST_MS = 15 * 60_000;
/**
 * Largest size of all shapes, in bytes of JSON. A ConfigMap may have 1 MiB, and text that hardly
 * compresses is as large packed as unpacked.
 */
const MAX_BYTES = 640 * 1_024;
const keyOf = ({ kind, name, template }: Pick<Shape, 'kind' | 'name' | 'template'>): string =>
  `${kind}/${name} ${JSON.stringify(template)}`;

/**
 * Records the shapes of short-lived pods, of Jobs and of operators, so that the next such pod is
 * judged although none is running. If there are too many shapes, the oldest one of the namespace
 * with the most is dropped, so a tenant that tries many placements loses only its own.
 */
export class ShapeRecorder {
  readonly #deps: ShapeRecorderDeps;
  /** Shapes by namespace and key, most recently seen last. */
  readonly #shapes = new Map<string, Map<string, Known>>();
  readonly #bytes = new Map<string, number>();
  #total = 0;
  /** Shapes of running pods, by key of the pod. */
  readonly #live = new Map<string, Known>();
  /** Time since which the cache of pods lacks a pod of `#live`, monotonic. */
  readonly #missing = new Map<string, number>();
  /** Version of the shapes by namespace. Each change gives a new object. */
  readonly #versions = new Map<string, object>();
  readonly #changed = new Set<() => void>();
  #forgotten: DroppedShapes | undefined;
  /** Records that wait; undefined once {@link begin} was called. */
  #waiting: (() => void)[] | undefined = [];
  #stored: StoredShapes | undefined;

  constructor(deps: ShapeRecorderDeps) {
    this.#deps = deps;
  }

  /** Records a pod as the API server shows it. */
  see(pod: SeenPod): void {
    const controller = controllerOf(pod);
    const { namespace = '', name } = pod.metadata;
    if (controller === undefined) return;
    const read = readTemplate({ spec: pod.spec });
    const isOver = hasEnded(pod);
    const end = isOver ? finishedAt(pod) : undefined;
    const { creationTimestamp } = pod.metadata;
    this.#onceReady(() => {
      const template = askedPlacement(read, this.#deps.isInjecting(namespace));
      const key = `${namespace}/${name}`;
      // Operators keep pods for days after these have ended.
      const isOld = isOver && !this.#live.has(key);
      const lastSeen = this.#hourOf(end ?? (isOld ? creationTimestamp : undefined));
      if (lastSeen < this.#hour(KEPT_MS)) return this.#end(key);
      const shape = this.#keep({ namespace, ...controller, template, lastSeen });
      this.#missing.delete(key);
      if (isOver) this.#end(key, lastSeen);
      else if (this.#live.get(key) !== shape) this.#start(key, shape);
    });
  }

  #onceReady(record: () => void): void {
    if (this.#waiting === undefined) record();
    else this.#waiting.push(record);
  }

  /** Processes pods seen so far, once it is known in which namespaces placements are injected. */
  begin(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const record of waiting) record();
  }

  #start(key: string, shape: Known): void {
    this.#end(key);
    this.#live.set(key, shape);
    shape.live += 1;
    if (shape.live === 1) this.#note(shape.namespace);
  }

  /** Records that a pod is gone. @param key `namespace/name` */
  gone(key: string): void {
    this.#onceReady(() => this.#end(key));
  }

  #end(key: string, lastSeen: string = this.#hour()): void {
    const shape = this.#live.get(key);
    if (shape === undefined) return;
    this.#live.delete(key);
    this.#missing.delete(key);
    shape.live -= 1;
    if (shape.live > 0) return;
    if (lastSeen > shape.lastSeen) shape.lastSeen = lastSeen;
    this.#note(shape.namespace);
  }

  /** Hour of a time. An unknown or future time counts as now. */
  #hourOf(time: string | undefined): string {
    const agoMs = this.#deps.clock.now().getTime() - Date.parse(time ?? '');
    return this.#hour(Number.isNaN(agoMs) ? 0 : Math.max(agoMs, 0));
  }

  /** Hour at a time in the past. */
  #hour(agoMs = 0): string {
    return new Date(Math.floor((this.#deps.clock.now().getTime() - agoMs) / HOUR_MS) * HOUR_MS).toISOString();
  }

  /** @returns the recorded shape */
  #keep(shape: Shape): Known {
    const { namespace, lastSeen } = shape;
    const shapes = this.#shapes.get(namespace) ?? new Map<string, Known>();
    this.#shapes.set(namespace, shapes);
    const key = keyOf(shape);
    const before = shapes.get(key);
    if (before !== undefined) {
      if (before.lastSeen > lastSeen) return before;
      shapes.delete(key);
      shapes.set(key, before);
      if (before.lastSeen === lastSeen) return before;
      before.lastSeen = lastSeen;
      this.#note(namespace);
      return before;
    }
    const known: Known = { ...shape, live: 0, bytes: key.length + namespace.length + 64 };
    shapes.set(key, known);
    this.#count(namespace, known.bytes);
    this.#note(namespace);
    while (this.#total > (this.#deps.maxBytes ?? MAX_BYTES)) this.#forgetOldest();
    return known;
  }

  #count(namespace: string, bytes: number): void {
    this.#total += bytes;
    this.#bytes.set(namespace, (this.#bytes.get(namespace) ?? 0) + bytes);
  }

  #note(namespace: string): void {
    this.#stored = undefined;
    this.#versions.set(namespace, {});
    for (const handler of this.#changed) handler();
  }

  #remove(key: string, { namespace, bytes }: Known): void {
    const shapes = this.#shapes.get(namespace);
    shapes?.delete(key);
    this.#count(namespace, -bytes);
    if (shapes?.size === 0) for (const known of [this.#shapes, this.#bytes]) known.delete(namespace);
    this.#note(namespace);
    if (shapes?.size === 0) this.#versions.delete(namespace);
  }

  /**
   * Drops one shape of the namespace with the most: the one not seen for longest, and running ones
   * last.
   */
  #forgetOldest(): void {
    let [namespace, most] = ['', 0];
    for (const [each, bytes] of this.#bytes) if (bytes > most) [namespace, most] = [each, bytes];
    const oldest = oldestOf(this.#shapes.get(namespace) ?? new Map());
    if (oldest === undefined) return;
    this.#remove(...oldest);
    this.#forgotten = { count: (this.#forgotten?.count ?? 0) + 1, namespace, at: this.#hour() };
  }

  /** Identity of the shapes in a namespace: the same object while they are unchanged. */
  versionIn(namespace: string): object {
    return this.#versions.get(namespace) ?? NONE;
  }

  in(namespace: string): ShapeSource {
    return { apartFrom: (owners) => apartFrom([...(this.#shapes.get(namespace)?.values() ?? [])], owners) };
  }

  /** Shapes dropped within the time for which they would have been kept, if any. */
  get forgotten(): DroppedShapes | undefined {
    return this.#forgotten;
  }

  /** @param handler called after each change */
  subscribe(handler: () => void): () => void {
    this.#changed.add(handler);
    return () => this.#changed.delete(handler);
  }

  /** Restores the shapes that an earlier process stored. Shapes seen by this process are newer. */
  restore({ shapes, forgotten }: StoredShapes): void {
    const seen = [...this.#shapes.values()].flatMap((known) => [...known.values()]);
    for (const shape of shapes) this.#keep(shape);
    for (const shape of seen) this.#keep(shape);
    this.#forgotten ??= forgotten;
    this.expire();
  }

  /** Drops shapes that were not seen for 14 days. Called from time to time. */
  expire(): void {
    this.#endMissing();
    const since = this.#hour(KEPT_MS);
    for (const shapes of [...this.#shapes.values()])
      for (const [key, shape] of [...shapes]) if (shape.live === 0 && shape.lastSeen < since) this.#remove(key, shape);
    if (this.#forgotten !== undefined && this.#forgotten.at < since) this.#forgotten = undefined;
  }

  /**
   * Ends pods that were listed but deleted before their list ended, as no event reports their end.
   */
  #endMissing(): void {
    const nowMs = this.#deps.clock.monotonicMs();
    for (const [key, { lastSeen }] of [...this.#live]) {
      const sinceMs = this.#missing.get(key) ?? nowMs;
      if (this.#deps.hasPod(key)) this.#missing.delete(key);
      else if (nowMs - sinceMs >= LIST_MS) this.#end(key, lastSeen);
      else this.#missing.set(key, sinceMs);
    }
  }

  /** Value to store: the same object while nothing has changed. */
  stored(): StoredShapes {
    this.#stored ??= {
      shapes: [...this.#shapes.values()].flatMap((shapes) => [...shapes.values()]).map(({ live: _live, bytes: _bytes, ...shape }) => shape),
      forgotten: this.#forgotten,
    };
    return this.#stored;
  }
}

const oldestOf = (shapes: ReadonlyMap<string, Known>): readonly [string, Known] | undefined => {
  for (const each of shapes) if (each[1].live === 0) return each;
  const [first] = shapes;
  return first;
};

const NONE = {};
