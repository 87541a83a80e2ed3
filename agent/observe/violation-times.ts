import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { AGENT_VIOLATIONS, FIELD_MANAGERS, type KubeObject, SYSTEM_NAMESPACE } from '@fso/shared/api';
import { byText } from '@fso/shared/compile';
import type { KindDescriptor, KubeClient } from '@fso/shared/kube';
import type { Clock, Logger } from '@fso/shared/runtime';
import { z } from 'zod';

interface ConfigMap extends KubeObject {
  /** Values are base64. */
  binaryData?: Record<string, string>;
}

const CONFIG_MAP_KIND: KindDescriptor<ConfigMap> = { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', namespaced: true };
const REF = { namespace: SYSTEM_NAMESPACE, name: AGENT_VIOLATIONS } as const;

/** When violations were first seen, by policy and pod. */
export type Times = ReadonlyMap<string, string>;

const Stored = z.record(z.string(), z.iso.datetime());

/** About 30 bytes each, packed: a ConfigMap ends at 1 MiB. The oldest are kept. */
const MAX_KEPT = 25_000;
/** Bound on what a map that somebody tampered with can make of the memory. */
const MAX_UNPACKED_BYTES = 16 * 1024 * 1024;
/** Pods come and go: so often is the map written at most. */
const PAUSE_MS = 5_000;
const RETRY_MS = 30_000;
const NONE: Times = new Map();

export interface ViolationTimesOptions {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps since when the violations that are reported stand, so that a restart of the agent, or another leader, does not tell an auditor
 * that they began just now. Nothing waits for it: what cannot be read is read later, and is not overwritten until then.
 */
export class ViolationTimes {
  readonly #options: ViolationTimesOptions;
  #loaded: boolean = false;
  #restored: Times = NONE;
  /** Undefined: no round has taken up yet what was restored. */
  #wanted: Times | undefined;
  #written: Times = NONE;
  #wake = Promise.withResolvers<void>();

  constructor(options: ViolationTimesOptions) {
    this.#options = options;
  }

  /** What was kept before, once. */
  take(): Times {
    const restored = this.#restored;
    this.#restored = NONE;
    return restored;
  }

  /** The newest picture replaces what was not written yet. */
  keep(times: Times): void {
    this.#wanted = times;
    this.#wake.resolve();
  }

  /** Never rejects. */
  async load(signal: AbortSignal): Promise<void> {
    const { client, logger } = this.#options;
    try {
      const map = await client.get(CONFIG_MAP_KIND, REF, signal);
      this.#loaded = true;
      this.#wanted = undefined;
      this.#restored = await unpack(map?.binaryData?.['times']);
      this.#written = this.#restored;
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'times of violations cannot be read');
    }
  }

  /** Writes what is to be kept, until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    signal.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    while (!signal.aborted) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
      const isDone = await this.#write(signal);
      await clock.sleep(isDone ? PAUSE_MS : RETRY_MS, signal).catch(() => undefined);
      if (!isDone) this.#wake.resolve();
    }
  }

  async #write(signal: AbortSignal): Promise<boolean> {
    const { client, logger } = this.#options;
    try {
      if (!this.#loaded) await this.load(signal);
      const times = this.#wanted;
      if (times === undefined || isSame(times, this.#written)) return this.#loaded;
      const body: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: REF, binaryData: { times: await pack(times) } };
      await client.apply(CONFIG_MAP_KIND, body, { fieldManager: FIELD_MANAGERS.record, force: true }, signal);
      this.#written = times;
      return true;
    } catch (error) {
      if (!signal.aborted) logger.warn({ err: error }, 'times of violations cannot be written');
      return false;
    }
  }
}

const isSame = (a: Times, b: Times): boolean => a.size === b.size && [...a].every(([id, since]) => b.get(id) === since);

const pack = async (times: Times): Promise<string> => {
  const oldest = times.size <= MAX_KEPT ? [...times] : [...times].sort(([, a], [, b]) => byText(a, b)).slice(0, MAX_KEPT);
  return (await promisify(gzip)(JSON.stringify(Object.fromEntries(oldest)))).toString('base64');
};

/** @throws on what is not a map of times */
const unpack = async (packed: string | undefined): Promise<Times> => {
  if (packed === undefined) return NONE;
  const text = await promisify(gunzip)(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_UNPACKED_BYTES });
  return new Map(Object.entries(Stored.parse(JSON.parse(text.toString('utf8')))));
};
