import { AGENT_SHAPES } from '@fso/shared/api';
import type { PodTemplate } from '@fso/shared/risk';
import type { Clock } from '@fso/shared/runtime';
import { z } from 'zod';
import { ConfigMapStore, type ConfigMapStoreDeps } from '../../config-map-store.ts';
import { readTemplate } from '../owners/reduce-owner.ts';
import type { ShapeRecorder, StoredShapes } from './shape-recorder.ts';

const Time = z.iso.datetime();
const [Text, Placement] = [z.string(), z.looseObject({ isCut: z.literal(true).optional() })];
const Stored = z.object({
  shapes: z.array(z.tuple([Text, Text, Text, Time, Placement])),
  /** Kept apart, as agents of earlier releases accept only shapes with a placement. */
  unread: z.array(z.tuple([Text, Text, Text, Time])).default([]),
  forgotten: z.object({ count: z.int(), namespace: z.string(), at: Time }).optional(),
});

/** Time between two writes, in ms. Shapes change all the time. */
const EVERY_MS = 5 * 60_000;
const FIRST_MS = 60_000;

const NONE: StoredShapes = { shapes: [] };

const parse = (json: unknown): StoredShapes => {
  const { shapes, unread, forgotten } = Stored.parse(json);
  const read = shapes.map(([namespace, kind, name, lastSeen, { isCut, ...placement }]) => {
    const whole = readTemplate({ spec: placement });
    const template: PodTemplate | undefined = whole && isCut ? { ...whole, isCut } : whole;
    return { namespace, kind, name, lastSeen, template };
  });
  const others = unread.map(([namespace, kind, name, lastSeen]) => ({ namespace, kind, name, lastSeen, template: undefined }));
  return { forgotten, shapes: [...read, ...others] };
};

const toJson = ({ shapes, forgotten }: StoredShapes) => {
  const { read = [], unread = [] } = Object.groupBy(shapes, ({ template }) => (template === undefined ? 'unread' : 'read'));
  return {
    shapes: read.map(({ namespace, kind, name, lastSeen, template }) => [namespace, kind, name, lastSeen, template]),
    unread: unread.map(({ namespace, kind, name, lastSeen }) => [namespace, kind, name, lastSeen]),
    forgotten,
  };
};

/** Recorder whose shapes are stored, and the store. */
export interface ShapeStoreDeps extends ConfigMapStoreDeps {
  readonly recorder: ShapeRecorder;
  /** Time between two writes, in ms. Default five minutes. */
  readonly everyMs?: number | undefined;
}

/**
 * Stores the recorded shapes in ConfigMap `fso-agent-shapes`, for the next leader and after a
 * restart.
 */
export class ShapeStore {
  readonly #store: ConfigMapStore<StoredShapes>;
  readonly #recorder: ShapeRecorder;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #firstMs: number;

  constructor({ recorder, everyMs = EVERY_MS, ...deps }: ShapeStoreDeps) {
    this.#recorder = recorder;
    this.#clock = deps.clock;
    this.#everyMs = everyMs;
    this.#firstMs = Math.min(FIRST_MS, everyMs);
    this.#store = new ConfigMapStore<StoredShapes>(
      {
        name: AGENT_SHAPES,
        key: 'shapes',
        empty: NONE,
        parse,
        toJson,
        isSame: (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b),
      },
      deps,
    );
  }

  /** Loads the stored shapes. Never rejects. */
  async load(signal: AbortSignal): Promise<void> {
    await this.#store.load(signal);
    this.#recorder.restore(this.#store.take());
  }

  /** Writes changes at intervals, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#store.run(signal), this.#keep(signal)]);
  }

  async #keep(signal: AbortSignal): Promise<void> {
    for (let waitMs = this.#firstMs; !signal.aborted; waitMs = this.#everyMs) {
      await this.#clock.sleep(waitMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      // Stored shapes that could not be read earlier are restored late.
      this.#recorder.restore(this.#store.take());
      this.#recorder.expire();
      this.#store.keep(this.#recorder.stored());
    }
  }
}
