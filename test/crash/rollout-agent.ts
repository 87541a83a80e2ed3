import type { CompiledCluster } from '@fso/shared/compile';
import { clusterReport } from '../../hub/serve/testing/fleet.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import type { Commits } from '../simulated-fleet/commits.ts';
import { type Load, StreamLoad } from './load.ts';

export interface RolloutAgentOptions {
  readonly cluster: string;
  readonly token: string;
  /** Returns the address of the running hub. */
  readonly agentUrl: () => string;
  readonly commits: Pick<Commits, 'compiled'>;
  /** Called with each commit that a hub offers, before the agent accepts it. */
  readonly onOffer: (agent: RolloutAgent, revision: string) => void;
}

/** Network side of an agent that accepts and proves each commit at once, from any hub. */
export class RolloutAgent implements Load {
  readonly cluster: string;
  /** Last accepted and proven commit. */
  accepted: string | null = null;
  readonly #options: RolloutAgentOptions;
  readonly #streams: StreamLoad;

  constructor(options: RolloutAgentOptions) {
    this.cluster = options.cluster;
    this.#options = options;
    this.#streams = new StreamLoad(
      () => connectStream(options.agentUrl(), options.token, options.cluster),
      (stream) => this.#follow(stream),
    );
  }

  run(): void {
    this.#streams.run();
  }

  pause(): Promise<void> {
    return this.#streams.pause();
  }

  /** Accepts offers and reports until the stream ends. */
  async #follow(stream: StreamClient): Promise<void> {
    stream.hello({ revision: this.accepted, anchor: this.accepted });
    const closed = stream.closed.then(() => undefined);
    const welcome = await Promise.race([stream.next('welcome'), closed]);
    if (welcome === undefined) return;
    let seq = welcome.reported.seq;
    const report = (): void => {
      if (this.accepted === null) return;
      seq += 1;
      const cluster = clusterReport(this.accepted);
      stream.send({ type: 'report', seq, full: true, cluster, policies: [], removed: [], events: [] });
    };
    report();
    void this.#answerResyncs(stream, report);
    for (;;) {
      const offer = await Promise.race([stream.next('offer'), closed]);
      if (offer === undefined) return;
      await this.#take(stream, offer.revision);
      report();
    }
  }

  async #take(stream: StreamClient, revision: string): Promise<void> {
    const { cluster, commits, onOffer } = this.#options;
    onOffer(this, revision);
    const { digest }: CompiledCluster = await commits.compiled(revision, cluster);
    this.accepted = revision;
    stream.send({ type: 'ack', revision, digest });
  }

  async #answerResyncs(stream: StreamClient, report: () => void): Promise<void> {
    const closed = stream.closed.then(() => undefined);
    while ((await Promise.race([stream.next('resync'), closed])) !== undefined) report();
  }
}
