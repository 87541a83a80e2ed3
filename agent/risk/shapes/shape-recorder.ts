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

/** Facts that a {@link ShapeRecorder} asks for with each pod. */
export interface ShapeRecorderDeps {
  readonly clock: Pick<Clock, 'now' | 'monotonicMs'>;
  /** Whether placements are injected into the pods of a namespace now. */
  readonly isInjecting: (namespace: string) => boolean;
  /** Whether the cache of pods has one. @param key `namespace/name` */
  readonly hasPod: (key: string) => boolean;
  readonly maxBytes?: number;
}

const HOUR_MS = 3_600_000;
const KEPT_MS = 14 * 24 * HOUR_MS;
/** Longer than any list takes from one of its pages to its end, ms. */
const LIST_MS = 15 * 60_000;
/**
 * Bound of all shapes, as JSON: a ConfigMap holds 1 MiB, and text that hardly compresses takes as
 * much packed as it has.
 */
const MAX_BYTES = 640 * 1_024;
const keyOf = ({ kind, name, template }: Pick<Shape, 'kind' | 'name' | 'template'>): string =>
  `${kind}/${name} ${JSON.stringify(template)}`;

/**
 * Records the shapes of pods that come and go, of Jobs and of operators, so that the next one is
 * judged though nothing of it runs. Once they are too many, the oldest one of the namespace with
 * most goes: a tenant that tries any number of placements forgets its own.
 */
export class ShapeRecorder {
  readonly #deps: ShapeRecorderDeps;
  /** Shapes by namespace and key, those that were seen last at the end. */
  readonly #shapes = new Map<string, Map<string, Known>>();
  readonly #bytes = new Map<string, number>();
  #total = 0;
  /** Shapes of pods that run, by key of the pod. */
  readonly #live = new Map<string, Known>();
  /** Time since which the cache of pods lacks one of those, monotonic. */
  readonly #missing = new Map<string, number>();
  /** Another object after each change, by namespace. */
  readonly #versions = new Map<string, object>();
  readonly #changed = new Set<() => void>();
  #forgotten: DroppedShapes | undefined;
  /** Undefined once {@link begin} was called. */
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
      // Operators leave pods for days after their end.
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

  /** Records what was seen before it was known into which namespaces placements are injected. */
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

  /** Records that a pod is there no more. @param key `namespace/name` */
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

  /** The hour of a time; of one that is not known, or of the future, the present one. */
  #hourOf(time: string | undefined): string {
    const agoMs = this.#deps.clock.now().getTime() - Date.parse(time ?? '');
    return this.#hour(Number.isNaN(agoMs) ? 0 : Math.max(agoMs, 0));
  }

  /** The hour of some time ago. */
  #hour(agoMs = 0): string {
    return new Date(Math.floor((this.#deps.clock.now().getTime() - agoMs) / HOUR_MS) * HOUR_MS).toISOString();
  }

  /** @returns the shape that is known */
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

  /** Forgets what the namespace with most has not seen for longest, of what runs the last. */
  #forgetOldest(): void {
    let [namespace, most] = ['', 0];
    for (const [each, bytes] of this.#bytes) if (bytes > most) [namespace, most] = [each, bytes];
    const oldest = oldestOf(this.#shapes.get(namespace) ?? new Map());
    if (oldest === undefined) return;
    this.#remove(...oldest);
    this.#forgotten = { count: (this.#forgotten?.count ?? 0) + 1, namespace, at: this.#hour() };
  }

  /** The same object for as long as the shapes in a namespace are the same. */
  versionIn(namespace: string): object {
    return this.#versions.get(namespace) ?? NONE;
  }

  in(namespace: string): ShapeSource {
    return { apartFrom: (owners) => apartFrom([...(this.#shapes.get(namespace)?.values() ?? [])], owners) };
  }

  /** Shapes that went within the time in which they would have been kept; undefined: none. */
  get forgotten(): DroppedShapes | undefined {
    return this.#forgotten;
  }

  /** @param handler called after each change */
  subscribe(handler: () => void): () => void {
    this.#changed.add(handler);
    return () => this.#changed.delete(handler);
  }

  /** Takes what an earlier process stored. What this one has seen itself is newer. */
  restore({ shapes, forgotten }: StoredShapes): void {
    const seen = [...this.#shapes.values()].flatMap((known) => [...known.values()]);
    for (const shape of shapes) this.#keep(shape);
    for (const shape of seen) this.#keep(shape);
    this.#forgotten ??= forgotten;
    this.expire();
  }

  /** Forgets what has not been seen for 14 days. Called now and then. */
  expire(): void {
    this.#endMissing();
    const since = this.#hour(KEPT_MS);
    for (const shapes of [...this.#shapes.values()])
      for (const [key, shape] of [...shapes]) if (shape.live === 0 && shape.lastSeen < since) this.#remove(key, shape);
    if (this.#forgotten !== undefined && this.#forgotten.at < since) this.#forgotten = undefined;
  }

  /**
   * Ends pods that a page of a list showed, and that were deleted before a list was whole: nothing
   * else says that they are gone.
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

  /** Returns the value to store; the same object for as long as nothing has changed. */
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
