import { FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { packJson, unpackJson } from '@fso/shared/encoding';
import { CONFIG_MAP_KIND, type ConfigMap, type KubeClient } from '@fso/shared/kube';
import { type Clock, type Logger, Wakeup } from '@fso/shared/runtime';

/** Bound on what a map that somebody tampered with can make of the memory. */
const MAX_UNPACKED_BYTES = 16 * 1024 * 1024;
/** What is kept changes all the time: so often is the map written at most. */
const PAUSE_MS = 5_000;
const RETRY_MS = 30_000;

export interface KeptRecordOptions<T> {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of the ConfigMap. */
  readonly name: string;
  /** In the ConfigMap, and for people. */
  readonly key: string;
  readonly nothing: T;
  /** @throws on what is no such value */
  parse(json: unknown): T;
  /** Packed it must fit into a ConfigMap, which ends at 1 MiB. */
  toJson(value: T): unknown;
  isSame(a: T, b: T): boolean;
  /** What is gone again within this time is not written. Default 0. */
  readonly settleMs?: number;
}

/**
 * Keeps what the agent knows and nobody else does in a ConfigMap of its namespace, for its next start or for another leader. Nothing waits
 * for it: what cannot be read is read later, and is not overwritten until then.
 */
export class KeptRecord<T> {
  readonly #options: KeptRecordOptions<T>;
  #loaded: boolean = false;
  #restored: T;
  /** Undefined: nobody has taken up yet what was restored. */
  #wanted: T | undefined;
  #written: T;
  readonly #wakeup = new Wakeup();

  constructor(options: KeptRecordOptions<T>) {
    this.#options = options;
    this.#restored = options.nothing;
    this.#written = options.nothing;
  }

  /** What was kept before, once. Whoever takes it says anew what is to be kept. */
  take(): T {
    const restored = this.#restored;
    this.#restored = this.#options.nothing;
    return restored;
  }

  /** The newest picture replaces what was not written yet. */
  keep(value: T): void {
    this.#wanted = value;
    this.#wakeup.wake();
  }

  /** Never rejects. */
  async load(signal: AbortSignal): Promise<void> {
    const { client, logger, name, key, nothing, parse, isSame } = this.#options;
    try {
      const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name }, signal);
      this.#loaded = true;
      const packed = map?.binaryData?.[key];
      this.#restored = packed === undefined ? nothing : parse(await unpackJson(packed, MAX_UNPACKED_BYTES));
      this.#written = this.#restored;
      // Whoever keeps something here takes it up first, and says then what is to be kept.
      if (!isSame(this.#restored, nothing)) this.#wanted = undefined;
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error, name }, `kept ${key} cannot be read`);
    }
  }

  /** Writes what is to be kept, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, settleMs = 0 } = this.#options;
    try {
      for (;;) {
        await this.#wakeup.wait(signal);
        if (settleMs > 0) await clock.sleep(settleMs, signal);
        const isDone = await this.#write(signal);
        await clock.sleep(isDone ? PAUSE_MS : RETRY_MS, signal);
        if (!isDone) this.#wakeup.wake();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #write(signal: AbortSignal): Promise<boolean> {
    const { client, logger, name, key, isSame, toJson } = this.#options;
    try {
      if (!this.#loaded) await this.load(signal);
      const value = this.#wanted;
      if (value === undefined || isSame(value, this.#written)) return this.#loaded;
      const metadata = { namespace: SYSTEM_NAMESPACE, name };
      const body: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, binaryData: { [key]: await packJson(toJson(value)) } };
      await client.apply(CONFIG_MAP_KIND, body, { fieldManager: FIELD_MANAGERS.record, force: true }, signal);
      this.#written = value;
      return true;
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error, name }, `kept ${key} cannot be written`);
      return false;
    }
  }
}
