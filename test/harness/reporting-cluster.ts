import { setTimeout as delay } from 'node:timers/promises';
import type { PolicyReport } from '@fso/shared/api';
import { connectStream, type StreamClient } from './stream-client.ts';

const RETRY_MS = 50;

/**
 * Network side of an agent that reports its policies in full whenever they change, and reconnects
 * to a hub that was away.
 */
export class ReportingCluster {
  readonly name: string;
  readonly #agentUrl: string;
  readonly #token: string;
  #policies: readonly PolicyReport[];
  #version = 1;
  #changed = Promise.withResolvers<void>();
  #stream: StreamClient | undefined;
  #isWanted: boolean = true;
  readonly #running: Promise<void>;

  constructor(name: string, hub: { readonly agentUrl: string; readonly token: string }, policies: readonly PolicyReport[]) {
    this.name = name;
    this.#agentUrl = hub.agentUrl;
    this.#token = hub.token;
    this.#policies = policies;
    this.#running = this.#live();
  }

  /** Sets the reports of the cluster's policies. */
  report(policies: readonly PolicyReport[]): void {
    this.#policies = policies;
    this.#version += 1;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async stop(): Promise<void> {
    this.#isWanted = false;
    this.#changed.resolve();
    this.#stream?.close();
    await this.#running;
  }

  async #live(): Promise<void> {
    while (this.#isWanted) {
      try {
        const stream = await connectStream(this.#agentUrl, this.#token, this.name);
        this.#stream = stream;
        stream.hello();
        await stream.greeted;
        await this.#reportAll(stream);
      } catch {
        // Failures are expected while the hub is away.
      }
      this.#stream?.close();
      await delay(RETRY_MS);
    }
  }

  async #reportAll(stream: StreamClient): Promise<void> {
    let seq = 0;
    let isOpen = true;
    const closed = stream.closed.then(() => {
      isOpen = false;
    });
    while (this.#isWanted && isOpen) {
      const sent = this.#version;
      const { promise: changed } = this.#changed;
      seq += 1;
      stream.send({ type: 'report', seq, full: true, policies: [...this.#policies], removed: [], events: [] });
      await Promise.race([stream.next('reported'), closed]);
      if (this.#version === sent) await Promise.race([changed, closed]);
    }
  }
}
