import type { ClusterEvent } from '@fso/shared/api';
import type { CompiledCluster } from '@fso/shared/compile';
import { type Checkpoint, digestOfNamed, type Report, type ReportedState, totalOf } from '@fso/shared/protocol';
import { digestOfBaseline } from '@fso/shared/status';
import { judgeCheckpoint } from '../../agent/stream/witness.ts';
import { differenceBetween } from '../harness/deviations.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import { ClusterModel, type ModelStatus } from './cluster-model.ts';
import { StreamLoad } from './load.ts';

/**
 * Network side of an agent under load. Sends reports, and records what the hub has acknowledged.
 */
export interface SimulatedAgent {
  readonly cluster: string;
  /**
   * Connects and reports until paused. Like an agent, continues from the state that the hub knows,
   * or reports in full.
   */
  run(): void;
  /** Disconnects from the hub. Resolves when no report is in flight any more. */
  pause(): Promise<void>;
  /**
   * Ends without closing the stream. The next run knows only what is stored in the cluster, and
   * reports in full.
   */
  die(): Promise<void>;
  /**
   * Statuses of which the hub must know one, the oldest first: the last acknowledged one, and those
   * sent after it. Empty if none was sent.
   */
  readonly possible: readonly ModelStatus[];
  /** Whether the hub has acknowledged or shown a report. */
  readonly isKnown: boolean;
  /** Records a status that the hub has shown, after which it must not show an older one. */
  noteShown(status: ModelStatus): void;
  /** Messages of events that the hub must know. */
  readonly events: ReadonlySet<string>;
  /** Number of reports. */
  readonly reports: number;
  /** Reasons why the hub's audit log differs from the one that the agent witnessed. */
  readonly forks: readonly string[];
}

export interface SimulatedAgentOptions {
  readonly agentUrl: string;
  readonly cluster: string;
  readonly token: string;
  /** PEM of the CA of the hub. */
  readonly ca: string;
  /** Commit that the cluster has accepted. */
  readonly revision: string;
  /** Policies of that commit for the cluster. */
  readonly compiled: CompiledCluster;
  /** Returns a number in [0, 1). */
  readonly random: () => number;
}

const TIME = '2026-01-01T00:00:00Z';

/** Whether a reported state matches a status. */
const isOf = ({ named, baseline }: ModelStatus, reported: ReportedState): boolean =>
  digestOfNamed(named) === reported.policies && digestOfBaseline(baseline) === reported.baseline;

/** Frames of a stream. Each is returned once, in order of arrival. */
class Answers {
  readonly #client: StreamClient;
  #reported: Promise<{ readonly seq: number }> | undefined;
  #resync: Promise<'resync'> | undefined;

  constructor(client: StreamClient) {
    this.#client = client;
  }

  /**
   * @returns the number of an acknowledged report; `resync` if the hub requests a full one;
   * `closed` if the stream has ended
   */
  async next(): Promise<number | 'resync' | 'closed'> {
    this.#reported ??= this.#client.next('reported');
    this.#resync ??= this.#client.next('resync').then(() => 'resync');
    const closed = this.#client.closed.then(() => 'closed' as const);
    const answer = await Promise.race([this.#reported, this.#resync, closed]);
    if (answer === 'resync') this.#resync = undefined;
    if (typeof answer === 'string') return answer;
    this.#reported = undefined;
    return answer.seq;
  }
}

class CrashAgent implements SimulatedAgent {
  readonly cluster: string;
  readonly events = new Set<string>();
  readonly forks: string[] = [];
  reports = 0;
  possible: readonly ModelStatus[] = [];
  isKnown: boolean = false;
  readonly #options: SimulatedAgentOptions;
  readonly #model: ClusterModel;
  #unacknowledged: readonly ClusterEvent[] = [];
  #held: Checkpoint | undefined;
  /** Whether this process sent the earlier reports. */
  #remembers: boolean = false;
  #seq = 0;
  readonly #streams: StreamLoad;

  constructor(options: SimulatedAgentOptions) {
    this.cluster = options.cluster;
    this.#options = options;
    this.#model = new ClusterModel(options.compiled, options.random);
    const { agentUrl, token, cluster, ca } = options;
    this.#streams = new StreamLoad(
      () => connectStream(agentUrl, token, cluster, { ca }),
      (stream) => this.#reportAll(stream),
    );
  }

  run(): void {
    this.#streams.run();
  }

  pause(): Promise<void> {
    return this.#streams.pause();
  }

  async die(): Promise<void> {
    await this.#streams.die();
    // Policies and the checkpoint are stored in the cluster; these were only in memory.
    this.#unacknowledged = [];
    this.#remembers = false;
  }

  noteShown(status: ModelStatus): void {
    this.isKnown = true;
    this.possible = this.possible.slice(this.possible.indexOf(status));
  }

  async #reportAll(client: StreamClient): Promise<void> {
    const { revision } = this.#options;
    client.hello({ revision, holds: revision, anchor: revision, checkpoint: this.#held ?? null });
    const welcome = await Promise.race([client.next('welcome'), client.closed]);
    if ('code' in welcome) return;
    void this.#answerLists(client);
    let before = this.#remembers ? this.possible.find((status) => isOf(status, welcome.reported)) : undefined;
    this.#seq = welcome.reported.seq;
    const answers = new Answers(client);
    let judged = 0;
    while (this.#streams.isWanted) {
      const { report, status } = this.#nextReport(before);
      client.send(report);
      const answer = await this.#answerTo(report, answers);
      judged = this.#judgeCheckpoints(client, judged);
      if (answer === 'closed') return;
      if (answer === 'taken') this.#noteAcknowledged(report, status);
      before = answer === 'taken' ? status : undefined;
    }
  }

  async #answerTo({ seq }: Report, answers: Answers): Promise<'taken' | 'resync' | 'closed'> {
    for (;;) {
      const answer = await answers.next();
      if (typeof answer === 'string') return answer;
      if (answer === seq) return 'taken';
    }
  }

  /** @param before state that the hub has; undefined for a full report */
  #nextReport(before: ModelStatus | undefined): { readonly report: Report; readonly status: ModelStatus } {
    this.#model.change();
    this.#model.change();
    const status = this.#model.status();
    const { baseline, named } = status;
    const message = `${this.cluster} event ${this.#model.counter}`;
    this.#unacknowledged = [...this.#unacknowledged, { time: TIME, severity: 'info', reason: 'Simulated', message }];
    this.#seq += 1;
    this.#remembers = true;
    this.possible = [...this.possible, status];
    const difference = differenceBetween(before?.named ?? new Map(), named);
    const full = before === undefined;
    const events = [...this.#unacknowledged];
    const report: Report = {
      type: 'report',
      seq: this.#seq,
      full,
      baseline,
      total: totalOf(named),
      ...difference,
      events,
    };
    return { report, status };
  }

  #noteAcknowledged(report: Report, status: ModelStatus): void {
    this.reports += 1;
    this.noteShown(status);
    for (const { message } of report.events) this.events.add(message);
    this.#unacknowledged = [];
  }

  /** Answers requests of a hub that does not know the compiled policies. */
  async #answerLists(client: StreamClient): Promise<void> {
    const { digest, policies } = this.#options.compiled;
    for (;;) {
      const question = await Promise.race([client.next('list'), client.closed]);
      if ('code' in question) return;
      if (question.list === digest)
        client.send({ type: 'listed', list: digest, policies: policies.map((policy) => [policy.name, policy.digest]) });
    }
  }

  #judgeCheckpoints(client: StreamClient, from: number): number {
    for (const frame of client.frames.slice(from)) {
      if (frame.type !== 'checkpoint') continue;
      const judged = judgeCheckpoint(this.#held, frame);
      if (judged.ok) this.#held = judged.checkpoint;
      else this.forks.push(judged.fork);
    }
    return client.frames.length;
  }
}

export const createSimulatedAgent = (options: SimulatedAgentOptions): SimulatedAgent => new CrashAgent(options);
