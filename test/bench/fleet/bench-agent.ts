import { fnv1a } from '@fso/shared/encoding';
import { type AgentFrame, encodeFrame, type HubFrame, PROTOCOL_VERSION, type Preview } from '@fso/shared/protocol';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { type AcceptedPolicies, type AgentSnapshot, LiveObservatory } from '../../../agent/observe/index.ts';
import type { Previewer } from '../../../agent/preview/index.ts';
import { EventOutbox, Reporter } from '../../../agent/report/index.ts';
import type { Connection } from '../../../agent/stream/connection.ts';
import { Dialler } from '../../../agent/stream/dialler.ts';
import type { ConnectionConfig } from '../../../agent/stream/hub-socket.ts';
import { createRandom } from '../../harness/random.ts';
import { BenchWorkloads } from './bench-workloads.ts';
import { stopReading } from './client-sockets.ts';
import { clusterFacts, type PolicyCondition, PROFILE, snapshotOf } from './cluster-state.ts';
import { type AgentProof, type Cause, type CommitStep, type News, now, type Order, type Turn } from './orders.ts';
import { type ClusterRows, digestOfRows } from './rows.ts';

/** Policies of the clusters of a team. */
export type TeamList = Pick<AcceptedPolicies, 'digest' | 'policies'>;

export interface TakenCommit {
  readonly revision: string;
  /** Lists by team. */
  readonly lists: readonly TeamList[];
}

export interface AgentDeps {
  /** Returns a commit, once this process knows it. */
  readonly commitOf: (revision: string) => Promise<TakenCommit>;
  readonly tell: (news: News) => void;
  /** Whether an agent of this process enforces: previews wait, as on machines of their own. */
  readonly isEnforcing: () => boolean;
}

const logger = createLogger({ name: 'bench', level: 'silent' });
const NO_LIST: TeamList = { digest: '', policies: new Map() };

/**
 * Returns a number in [0, 1) that depends only on a text. A cryptographic hash of each policy of
 * each agent would occupy the cores for seconds.
 */
const drawOf = (text: string): number => createRandom(fnv1a(text))();

/** Agent with the product's stream and reports, in a cluster whose policies are all in force. */
export class BenchAgent {
  readonly cluster: string;
  readonly #proof: AgentProof;
  readonly #config: ConnectionConfig;
  readonly #deps: AgentDeps;
  readonly #observatory: LiveObservatory;
  readonly #reporter: Reporter;
  readonly #dialler: Dialler;
  /** Share of the policies whose namespace is missing. */
  readonly #missing: number;
  #list: TeamList = NO_LIST;
  /** Steps of the commits that it was offered, in order. */
  readonly steps: CommitStep[] = [];
  readonly #proofMs: number;
  /** Null until it has accepted a commit. */
  #revision: string | null = null;
  #proven: string | null = null;
  #connection: Connection | undefined;
  #greetedAt = 0;
  #sentPolicies = 0;
  #unanswered = 0;
  #isSettled: boolean = false;
  #isStalled: boolean = false;
  /** Number of policies to send until everything is reported. */
  #due = 0;
  /** Whether it has reported on this connection that nothing is left to send. */
  #isCurrent: boolean = false;
  /** List of the last report. */
  #saidList: string | undefined;
  #cause: Cause = 'failing';
  /** Policies that deviate for that cause. */
  readonly #deviating = new Set<string>();
  /** Size of the last offer. */
  #bytes = 0;
  #dials = 0;
  /** Commit that it was offered and has not yet reported. */
  #coming: string | undefined;
  /** Newest commit that it has verified while its wave waits. */
  #verified: string | undefined;
  readonly #previewer: Previewer | undefined;

  constructor({ hubUrl, ca, missing, workloads, proofMs }: Extract<Order, { type: 'start' }>, proof: AgentProof, deps: AgentDeps) {
    const { cluster, token, certificate } = proof;
    this.cluster = cluster;
    this.#proof = proof;
    this.#deps = deps;
    this.#missing = missing;
    this.#proofMs = proofMs;
    this.#config = { hubUrl, ca, ...(token === undefined ? {} : { token }) };
    this.#observatory = new LiveObservatory(this.#snapshot());
    const revisions = () => {
      const verified = this.#verified && { verifiedRevision: this.#verified };
      return { revision: this.#revision, provenRevision: this.#proven, verification: 'unverified', ...verified } as const;
    };
    const outbox = new EventOutbox({ clock: systemClock, logger });
    const accepted = () => (this.#revision === null ? undefined : { ...this.#list, generationOf: () => 1, version: 0, isChanging: false });
    this.#reporter = new Reporter({ observatory: this.#observatory, outbox, clock: systemClock, logger, revisions, accepted });
    if (workloads > 0)
      this.#previewer = new BenchWorkloads(workloads, accepted).createPreviewer(deps.isEnforcing, new AbortController().signal);
    this.#dialler = new Dialler(
      {
        config: this.#config,
        clock: systemClock,
        random: Math.random,
        logger,
        ...(certificate && { certificate: async () => certificate }),
      },
      {
        hello: () => this.hello(),
        ages: () => ({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }),
        onWelcome: ({ reported }, connection) => this.#welcome(reported, connection),
        onFrame: (frame) => this.#take(frame),
        onEnd: () => {
          this.#connection = undefined;
          this.#reporter.disconnected();
        },
      },
    );
  }

  get isEnforcing(): boolean {
    return this.#coming !== undefined;
  }

  run(signal: AbortSignal): Promise<unknown> {
    this.#dialler.onStateChange(({ state }) => {
      if (state === 'connecting') this.#dials += 1;
    });
    return Promise.all([this.#reporter.run(signal), this.#dialler.run(signal)]);
  }

  /** Identity for another connection of the same agent. */
  get identity(): Pick<AgentProof, 'certificate'> & { readonly config: ConnectionConfig } {
    return { config: this.#config, ...(this.#proof.certificate && { certificate: this.#proof.certificate }) };
  }

  hello(): Extract<AgentFrame, { type: 'hello' }> {
    const revision = this.#revision;
    const held = { revision, holds: revision, anchor: revision };
    return { type: 'hello', protocol: PROTOCOL_VERSION, cluster: this.cluster, ...held, agentVersion: 'bench' };
  }

  turn({ cause, share, pick }: Turn): void {
    const names = [...this.#list.policies.keys()];
    const isDrawn = (name: string): boolean => drawOf(`${this.cluster} turns ${name}`) < share;
    const wanted = new Set(pick === 'drawn' ? names.filter(isDrawn) : names.slice(0, Math.round(names.length * share)));
    const turned = names.filter((name) => wanted.has(name) !== this.#deviating.has(name));
    this.#cause = cause;
    this.#deviating.clear();
    for (const name of wanted) this.#deviating.add(name);
    this.#sentPolicies = 0;
    this.#isSettled = false;
    this.#due = turned.length;
    this.#observatory.publish(this.#snapshot());
  }

  /** Stops reading this connection and all later ones. */
  stall(): void {
    this.#isStalled = true;
    stopReading(this.#proof.token ?? '');
  }

  rows(): ClusterRows {
    const reports = [...this.#list.policies.values()].map((accepted) => snapshotOf(accepted, this.#stateOf(accepted.policy.name)).report);
    const inPhase = (phase: string) => reports.filter((report) => report.phase === phase);
    const failed = inPhase('Failed');
    return {
      revision: this.#revision,
      gatekeeper: this.#facts().gatekeeper.state,
      total: reports.length,
      active: inPhase('Active').length,
      pending: inPhase('Pending').length,
      failed: failed.length,
      digest: digestOfRows(failed),
    };
  }

  #welcome(reported: Extract<HubFrame, { type: 'welcome' }>['reported'], connection: Connection): void {
    this.#connection = connection;
    this.#greetedAt = now();
    this.#sentPolicies = 0;
    this.#unanswered = 0;
    this.#due = 0;
    // The first digest is sent at once and describes the state at the end of the previous stream,
    // so it settles nothing.
    this.#isSettled = true;
    this.#reporter.connected((frame) => this.#send(frame), reported);
    this.#isSettled = false;
    this.#isCurrent = false;
    if (this.#isStalled) {
      this.stall();
      this.#deps.tell({ type: 'stalled', cluster: this.cluster });
    }
  }

  #stateOf(name: string): PolicyCondition {
    if (this.#deviating.has(name)) return this.#cause;
    return this.#missing > 0 && drawOf(`${this.cluster} ${name}`) < this.#missing ? 'missing' : 'governing';
  }

  #facts(): AgentSnapshot['cluster'] {
    return clusterFacts(this.#deviating.size === 0 ? undefined : this.#cause);
  }

  #snapshot(): AgentSnapshot {
    const policies = new Map([...this.#list.policies].map(([name, accepted]) => [name, snapshotOf(accepted, this.#stateOf(name))]));
    return { policies, profile: PROFILE, asOf: new Date(), cluster: this.#facts() };
  }

  #send(frame: AgentFrame): void {
    this.#connection?.send(frame);
    if (frame.type === 'digest') {
      // Sent when nothing is left to report, also if nothing had to be sent. In that case there is
      // no acknowledgement.
      this.#isCurrent = true;
      this.#settle();
    }
    if (frame.type !== 'report') return;
    this.#unanswered = frame.seq;
    const deviating = frame.deviations.reduce((sum, { policies }) => sum + policies.length, 0);
    this.#sentPolicies += deviating + frame.policies.length + frame.removed.length;
    this.#saidList = frame.baseline?.list;
    const revision = (frame.cluster ?? frame.revision)?.provenRevision;
    if (!revision) return;
    if (revision === this.#coming) this.#coming = undefined;
    this.#note('proven', revision);
    const reportBytes = Buffer.byteLength(encodeFrame(frame));
    this.#deps.tell({ type: 'reported', cluster: this.cluster, at: now(), revision, bytes: this.#bytes, reportBytes });
  }

  #settle(): void {
    if (this.#revision === null || this.#isSettled || !this.#isCurrent || this.#connection === undefined) return;
    if (this.#unanswered > 0 || this.#sentPolicies < this.#due || this.#saidList !== this.#list.digest) return;
    this.#isSettled = true;
    const [greetedAt, policies, bytes, dials] = [this.#greetedAt, this.#sentPolicies, this.#bytes, this.#dials];
    this.#dials = 0;
    this.#deps.tell({ type: 'settled', cluster: this.cluster, at: now(), greetedAt, policies, bytes, dials });
  }

  #take(frame: Exclude<HubFrame, { type: 'welcome' }>): void {
    // Frames that arrived together with the welcome were read before the socket was paused.
    if (this.#isStalled) return;
    if (frame.type === 'resync') this.#reporter.resync();
    if (frame.type === 'list') this.#answer(frame.list);
    if (frame.type === 'preview') void this.#preview(frame);
    if (frame.type === 'advance') {
      this.#verified = frame.revision;
      this.#reporter.poke();
    }
    if (frame.type === 'offer') {
      this.#coming = frame.revision;
      this.#note('offered', frame.revision);
      this.#bytes = Buffer.byteLength(encodeFrame(frame));
      void this.#deps.commitOf(frame.revision).then((commit) => this.#accept(commit));
    }
    if (frame.type !== 'reported') return;
    this.#reporter.acknowledged(frame.seq);
    if (frame.seq === this.#unanswered) this.#unanswered = 0;
    this.#settle();
  }

  async #preview(question: Preview): Promise<void> {
    const connection = this.#connection;
    const answer = await this.#previewer?.answer(question, () => this.#connection === connection);
    if (answer !== undefined && this.#connection === connection) connection?.answer(answer);
  }

  #answer(list: string): void {
    const answer = this.#reporter.listed(list);
    if (answer !== undefined) this.#connection?.answer(answer);
  }

  #note(type: CommitStep['type'], revision: string): void {
    const isKnown = type === 'proven' && this.steps.some((step) => step.type === type && step.revision === revision);
    if (!isKnown) this.steps.push({ cluster: this.cluster, revision, type, at: Date.now() });
  }

  #accept({ revision, lists }: TakenCommit): void {
    this.#list = lists[Number(this.cluster.split('-')[1]) % lists.length] ?? NO_LIST;
    this.#revision = revision;
    if (revision === this.#verified) this.#verified = undefined;
    if (this.#proofMs === 0) this.#proven = revision;
    else setTimeout(() => this.#prove(revision), this.#proofMs * (0.5 + drawOf(`${this.cluster} proves ${revision}`)));
    this.#observatory.publish(this.#snapshot());
    this.#reporter.accepted({ revision, digest: this.#list.digest });
  }

  #prove(revision: string): void {
    if (this.#revision !== revision) return;
    this.#proven = revision;
    this.#observatory.publish(this.#snapshot());
  }
}
