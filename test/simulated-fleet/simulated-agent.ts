import { setTimeout as delay } from 'node:timers/promises';
import { policyKey } from '@fso/shared/api';
import type { CompiledCluster } from '@fso/shared/compile';
import { differenceBetween, type StatusByName, statusByName } from '../harness/deviations.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import type { ClusterLife } from './cluster-life.ts';

export interface SimulatedAgentOptions {
  readonly agentUrl: string;
  readonly token: string;
  readonly life: ClusterLife;
  /** Commit that it has before it first connects. */
  readonly holds: string;
  /** Compiles the cluster's part of a commit. */
  readonly compiled: (revision: string) => Promise<CompiledCluster>;
  /** Returns the reason for which it refuses a commit, if it does. */
  readonly refuses: (revision: string) => string | undefined;
}

const RETRY_MS = 300;

/**
 * Network side of an agent for a {@link ClusterLife}. It accepts offers and reports, over the real
 * protocol.
 */
export class SimulatedAgent {
  readonly #options: SimulatedAgentOptions;
  #stream: StreamClient | undefined;
  #revision: string;
  #seq = 0;
  #started: boolean = false;
  #wanted: boolean = false;
  #kept: Promise<void> = Promise.resolve();
  /** Policies that the hub has by name after the last report. */
  #sent: StatusByName['named'] = new Map();

  constructor(options: SimulatedAgentOptions) {
    this.#options = options;
    this.#revision = options.holds;
  }

  get cluster(): string {
    return this.#options.life.name;
  }

  get connected(): boolean {
    return this.#wanted;
  }

  /** Commit that its cluster has accepted and reported. */
  get revision(): string {
    return this.#revision;
  }

  /**
   * Connects and reports everything, also after each loss of the hub. Resolves once the hub has
   * recorded the first report.
   */
  async connect(): Promise<void> {
    const { life, holds, compiled } = this.#options;
    if (!this.#started) life.accept(holds, await compiled(holds));
    this.#started = true;
    this.#wanted = true;
    this.#kept = this.#keep(await this.#open());
  }

  /**
   * Starts a pod outside of the allowed regions, and reports it. Resolves once the hub has recorded
   * it.
   */
  async addViolation(namespace: string, pod: string): Promise<void> {
    const stream = this.#stream;
    if (stream === undefined) throw new Error(`${this.cluster} is not connected`);
    this.#options.life.addViolation(namespace, pod);
    this.#report(stream);
    await this.#untilTaken(stream);
  }

  async disconnect(): Promise<void> {
    this.#wanted = false;
    this.#stream?.close();
    await this.#stream?.closed;
    await this.#kept;
    this.#stream = undefined;
  }

  #report(client: StreamClient, full = false): void {
    const { life } = this.#options;
    this.#seq += 1;
    const { baseline, named, violationSamples, riskSamples } = statusByName(life.reported());
    const difference = differenceBetween(full ? new Map() : this.#sent, named);
    client.send({
      type: 'report',
      seq: this.#seq,
      full,
      baseline,
      cluster: { ...life.cluster(), violationSamples, riskSamples },
      ...difference,
      events: life.events(),
    });
    this.#sent = named;
  }

  async #takeOffers(client: StreamClient): Promise<void> {
    const { life, compiled, refuses } = this.#options;
    for (;;) {
      const frame = await Promise.race([client.next('offer'), client.closed]);
      if ('code' in frame) return;
      const reason = refuses(frame.revision);
      if (reason !== undefined) {
        client.send({ type: 'nack', revision: frame.revision, reasons: [{ message: reason }] });
        continue;
      }
      const cluster = await compiled(frame.revision);
      client.send({ type: 'ack', revision: frame.revision, digest: cluster.digest });
      life.accept(frame.revision, cluster);
      this.#report(client);
      this.#revision = frame.revision;
    }
  }

  async #answerResyncs(client: StreamClient): Promise<void> {
    for (;;) {
      const frame = await Promise.race([client.next('resync'), client.closed]);
      if ('code' in frame) return;
      this.#report(client, true);
    }
  }

  async #answerInspections(client: StreamClient): Promise<void> {
    for (;;) {
      const frame = await Promise.race([client.next('inspect'), client.closed]);
      if ('code' in frame) return;
      const told = this.#options.life.reports().find((each) => policyKey(each) === frame.policy) ?? null;
      client.send({ type: 'inspected', id: frame.id, report: told });
    }
  }

  async #answerLocating(client: StreamClient): Promise<void> {
    for (;;) {
      const frame = await Promise.race([client.next('locate'), client.closed]);
      if ('code' in frame) return;
      client.send({ type: 'located', id: frame.id, processing: this.#options.life.processing() });
    }
  }

  async #untilTaken(client: StreamClient): Promise<void> {
    for (;;) {
      const frame = await Promise.race([client.next('reported'), client.closed]);
      if ('code' in frame) throw new Error(`${this.cluster}: the hub closed the stream: ${frame.reason}`);
      if (frame.seq === this.#seq) return;
    }
  }

  async #open(): Promise<StreamClient> {
    const { agentUrl, token, life } = this.#options;
    const client = await connectStream(agentUrl, token, life.name);
    const revision = this.#revision;
    client.hello({ revision, holds: revision, anchor: revision, agentVersion: life.cluster().agentVersion });
    await client.greeted;
    this.#report(client, true);
    await this.#untilTaken(client);
    this.#stream = client;
    return client;
  }

  async #serve(client: StreamClient): Promise<void> {
    await Promise.all([
      this.#takeOffers(client),
      this.#answerResyncs(client),
      this.#answerInspections(client),
      this.#answerLocating(client),
    ]);
  }

  /** Reconnects like a real agent after the hub was away. */
  async #keep(first: StreamClient): Promise<void> {
    for (let client: StreamClient | undefined = first; this.#wanted; client = undefined) {
      try {
        await this.#serve(client ?? (await this.#open()));
      } catch {
        // The hub is unreachable.
      }
      if (this.#wanted) await delay(RETRY_MS);
    }
  }
}
