import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { AGENT_STATE, FIELD_MANAGERS, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { CONFIG_MAP_KIND, type ConfigMap, type KubeClient } from '@fso/shared/kube';
import { type Runtime, Wakeup } from '@fso/shared/runtime';

/** Packs JSON as a value of a ConfigMap's `binaryData`: gzip, base64. */
export const packJson = async (json: unknown): Promise<string> => (await promisify(gzip)(JSON.stringify(json))).toString('base64');

/**
 * Unpacks gzipped JSON in base64.
 *
 * @param maxBytes bounds the memory that tampered data can take
 * @throws if the text is not such JSON, or is larger
 */
export const unpackJson = async (packed: string, maxBytes: number): Promise<unknown> => {
  const text = await promisify(gunzip)(Buffer.from(packed, 'base64'), { maxOutputLength: maxBytes });
  return JSON.parse(text.toString('utf8'));
};

/**
 * Writes a part of the agent's state under its own field manager. Fields that this manager wrote
 * before and now leaves out are removed.
 *
 * @throws the error of the API server
 */
export const applyState = async (
  client: KubeClient,
  part: Pick<ConfigMap, 'data' | 'binaryData'>,
  fieldManager: string,
  signal: AbortSignal,
): Promise<void> => {
  const metadata = { namespace: SYSTEM_NAMESPACE, name: AGENT_STATE };
  const body: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, ...part };
  await client.apply(CONFIG_MAP_KIND, body, { fieldManager, force: true }, signal);
};

/** Bounds the memory that a tampered ConfigMap can take once unpacked. */
const MAX_UNPACKED_BYTES = 16 * 1024 * 1024;
/** Shortest time between two writes in ms, because the value changes often. */
const PAUSE_MS = 5_000;
const RETRY_MS = 30_000;

/** The API server that a {@link ConfigMapStore} writes to. */
export interface ConfigMapStoreDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly client: KubeClient;
}

/** Value to store, and its form as JSON. */
export interface StoredValue<T> {
  /** Name of the ConfigMap. */
  readonly name: string;
  /** Key in the ConfigMap. Also names the value in log messages. */
  readonly key: string;
  /** Value before anything is stored. */
  readonly empty: T;
  /** @throws if the JSON is not such a value */
  parse(json: unknown): T;
  /** Converts the value to JSON. Packed, it must fit into a ConfigMap, which may have 1 MiB. */
  toJson(value: T): unknown;
  isSame(a: T, b: T): boolean;
  /** Delay of a write, in ms. A change that is reverted meanwhile is never written. Default 0. */
  readonly settleMs?: number;
}

/**
 * Stores one value in a ConfigMap of the agent's namespace, for the next start or for another
 * leader. No other part waits for the store. A ConfigMap that cannot be read is retried, and not
 * overwritten until it is read.
 */
export class ConfigMapStore<T> {
  readonly #stored: StoredValue<T>;
  readonly #deps: ConfigMapStoreDeps;
  #loaded: boolean = false;
  #restored: T;
  /** Value to write; undefined until the owner has taken the restored value. */
  #wanted: T | undefined;
  #written: T;
  readonly #wakeup = new Wakeup();

  constructor(stored: StoredValue<T>, deps: ConfigMapStoreDeps) {
    this.#stored = stored;
    this.#deps = deps;
    this.#restored = stored.empty;
    this.#written = stored.empty;
  }

  /**
   * Returns the restored value on the first call, and the empty one after that. The caller then
   * calls {@link keep} with the value to store.
   */
  take(): T {
    const restored = this.#restored;
    this.#restored = this.#stored.empty;
    return restored;
  }

  /** Stores a value soon. It replaces one that is not written yet. */
  keep(value: T): void {
    this.#wanted = value;
    this.#wakeup.wake();
  }

  /** Reads the ConfigMap. Never rejects: a failure is logged, and {@link run} tries again. */
  async load(signal: AbortSignal): Promise<void> {
    const { client, logger } = this.#deps;
    const { name, key, empty, parse, isSame } = this.#stored;
    try {
      const map = await client.get(CONFIG_MAP_KIND, { namespace: SYSTEM_NAMESPACE, name }, signal);
      this.#loaded = true;
      const packed = map?.binaryData?.[key];
      this.#restored = packed === undefined ? empty : parse(await unpackJson(packed, MAX_UNPACKED_BYTES));
      this.#written = this.#restored;
      // The owner takes the restored value first, and then sets the value to keep.
      if (!isSame(this.#restored, empty)) this.#wanted = undefined;
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error, name }, `stored ${key} cannot be read`);
    }
  }

  /** Writes each new value until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const { settleMs = 0 } = this.#stored;
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
    const { client, logger } = this.#deps;
    const { name, key, isSame, toJson } = this.#stored;
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
      if (!signal.aborted) logger.warn({ err: error, name }, `stored ${key} cannot be written`);
      return false;
    }
  }
}
