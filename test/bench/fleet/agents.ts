import type { PolicyReport } from '@fso/shared/api';
import { type AgentFrame, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { createLogger, systemClock } from '@fso/shared/runtime';
import { LiveObservatory } from '../../../agent/observe/index.ts';
import { EventOutbox, Reporter } from '../../../agent/report/index.ts';
import type { Connection } from '../../../agent/stream/connection.ts';
import { Dialler } from '../../../agent/stream/dialler.ts';
import { policyReport } from '../../harness/policy-reports.ts';

/** A commit as its agents take it; it may come after the hub's offer. Clusters with the same number modulo that of the teams are in one team. */
export interface Commit {
  readonly type: 'commit';
  readonly revision: string;
  readonly teams: readonly {
    /** Of what its clusters get. */
    readonly digest: string;
    /** Policies that are new or read otherwise. */
    readonly changed: readonly string[];
  }[];
}

/** What the process of agents is told. */
export type Order =
  | {
      readonly type: 'start';
      readonly hubUrl: string;
      /** PEM of the hub's CA. */
      readonly ca: string;
      /** By cluster. */
      readonly tokens: readonly (readonly [string, string])[];
    }
  | Commit
  /** From now on this share of the policies has failed; the others conform. */
  | { readonly type: 'turn'; readonly failed: number }
  | { readonly type: 'stop' };

/** What one agent tells. Times are milliseconds since 1970, with fractions. */
export type News =
  /** The hub has all of its reports; `policies` were sent for it since it connected. `bytes`: of its last offer. */
  | { readonly type: 'settled'; readonly cluster: string; readonly at: number; readonly policies: number; readonly bytes: number }
  /** The hub has the report that the commit is in force. `bytes`: of its offer. */
  | { readonly type: 'reported'; readonly cluster: string; readonly at: number; readonly revision: string; readonly bytes: number };

const now = (): number => performance.timeOrigin + performance.now();
const TIME = '2026-01-01T00:00:00.000Z';
const logger = createLogger({ name: 'bench', level: 'silent' });
const CONDITIONS = ['Ready', 'FloorReady', 'GatekeeperReady'].map((type) => ({
  type,
  status: 'True' as const,
  lastTransitionTime: TIME,
  reason: 'Proven',
  message: 'The API server refuses what it must refuse and admits what it must admit.',
}));

const tell = (news: News): void => {
  process.send?.(news);
};

/** The stream and the reports of an agent, as the product has them, over a cluster in which every policy holds. */
class BenchAgent {
  readonly #cluster: string;
  readonly #observatory: LiveObservatory;
  readonly #reporter: Reporter;
  readonly #dialler: Dialler;
  readonly #policies = new Map<string, PolicyReport>();
  /** null: it has taken no commit yet. */
  #revision: string | null = null;
  #connection: Connection | undefined;
  #sentPolicies = 0;
  #unanswered = 0;
  #isSettled: boolean = false;
  /** Policies that have to be sent before all is reported. */
  #due = 0;
  /** Policies that have failed. */
  readonly #failed = new Set<string>();
  /** Of the last offer. */
  #bytes = 0;
  /** Revision by the number of the first report that says it. */
  readonly #waiting = new Map<number, string>();

  constructor({ hubUrl, ca }: Extract<Order, { type: 'start' }>, [cluster, token]: readonly [string, string]) {
    this.#cluster = cluster;
    this.#observatory = new LiveObservatory(this.#snapshot());
    const revisions = () => ({ revision: this.#revision, provenRevision: this.#revision, verification: 'unverified' }) as const;
    const outbox = new EventOutbox({ clock: systemClock, logger });
    this.#reporter = new Reporter({ observatory: this.#observatory, outbox, clock: systemClock, logger, revisions });
    this.#dialler = new Dialler(
      { config: { hubUrl, token, ca }, clock: systemClock, random: Math.random, logger },
      {
        hello: () => this.#hello(),
        ages: () => ({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }),
        onWelcome: ({ reported }, connection) => {
          this.#connection = connection;
          this.#sentPolicies = 0;
          this.#unanswered = 0;
          this.#isSettled = false;
          this.#due = 0;
          this.#reporter.connected((frame) => this.#send(frame), reported);
          // Nothing is sent where the hub has everything: then no answer comes.
          setTimeout(() => this.#settle(), 100);
        },
        onFrame: (frame) => this.#take(frame),
        onEnd: () => {
          this.#connection = undefined;
          this.#reporter.disconnected();
        },
      },
    );
  }

  run(signal: AbortSignal): Promise<unknown> {
    return Promise.all([this.#reporter.run(signal), this.#dialler.run(signal)]);
  }

  #hello(): Extract<AgentFrame, { type: 'hello' }> {
    const revision = this.#revision;
    return {
      type: 'hello',
      protocol: PROTOCOL_VERSION,
      cluster: this.#cluster,
      revision,
      holds: revision,
      anchor: revision,
      agentVersion: 'bench',
    };
  }

  #report(name: string): PolicyReport {
    return policyReport(name, {
      namespaces: [name],
      message: `proven in ${this.#cluster}`,
      conditions: CONDITIONS,
      lastUpdated: TIME,
      revision: this.#revision ?? '',
      phase: this.#failed.has(name) ? 'Failed' : 'Active',
    });
  }

  #snapshot() {
    const policies = new Map(
      [...this.#policies].map(([key, report]) => [key, { report, generation: 1, observedGeneration: 1, proven: true, violations: [] }]),
    );
    return {
      policies,
      cluster: {
        agentVersion: 'bench',
        kubernetesVersion: 'v1.36.3',
        gatekeeper: { state: 'Ready' as const },
        nodesByRegion: { 'eu-west-1': 3 },
        conditions: CONDITIONS,
      },
    };
  }

  #send(frame: AgentFrame): void {
    this.#connection?.send(frame);
    if (frame.type !== 'report') return;
    this.#unanswered = frame.seq;
    this.#sentPolicies += frame.policies.length;
    if (frame.cluster?.provenRevision) this.#waiting.set(frame.seq, frame.cluster.provenRevision);
  }

  turn(failed: number): void {
    const names = [...this.#policies.keys()];
    const wanted = new Set(names.slice(0, Math.round(names.length * failed)));
    const turned = names.filter((name) => wanted.has(name) !== this.#failed.has(name));
    this.#failed.clear();
    for (const name of wanted) this.#failed.add(name);
    this.#sentPolicies = 0;
    this.#isSettled = false;
    this.#due = turned.length;
    for (const name of turned) this.#policies.set(name, this.#report(name));
    this.#observatory.publish(this.#snapshot());
  }

  #settle(): void {
    if (this.#revision === null || this.#isSettled || this.#connection === undefined) return;
    if (this.#unanswered > 0 || this.#sentPolicies < this.#due) return;
    this.#isSettled = true;
    tell({ type: 'settled', cluster: this.#cluster, at: now(), policies: this.#sentPolicies, bytes: this.#bytes });
  }

  #take(frame: Exclude<HubFrame, { type: 'welcome' }>): void {
    if (frame.type === 'resync') this.#reporter.resync();
    if (frame.type === 'offer') {
      this.#bytes = Buffer.byteLength(encodeFrame(frame));
      void commitOf(frame.revision).then((commit) => this.#accept(commit));
    }
    if (frame.type !== 'reported') return;
    this.#reporter.acknowledged(frame.seq);
    if (frame.seq === this.#unanswered) this.#unanswered = 0;
    const revision = this.#waiting.get(frame.seq);
    this.#waiting.delete(frame.seq);
    if (revision !== undefined) tell({ type: 'reported', cluster: this.#cluster, at: now(), revision, bytes: this.#bytes });
    this.#settle();
  }

  #accept({ revision, teams }: Commit): void {
    const team = teams[Number(this.#cluster.split('-')[1]) % teams.length];
    if (this.#revision === null) this.#due = team?.changed.length ?? 0;
    this.#revision = revision;
    this.#connection?.send({ type: 'ack', revision, digest: team?.digest ?? '' });
    for (const name of team?.changed ?? []) this.#policies.set(name, this.#report(name));
    this.#observatory.publish(this.#snapshot());
  }
}

const commits = new Map<string, PromiseWithResolvers<Commit>>();
const entryOf = (revision: string): PromiseWithResolvers<Commit> => {
  const entry = commits.get(revision) ?? Promise.withResolvers<Commit>();
  commits.set(revision, entry);
  return entry;
};
const commitOf = (revision: string): Promise<Commit> => entryOf(revision).promise;

const agents: BenchAgent[] = [];
const stop = new AbortController();
process.on('message', (order: Order) => {
  if (order.type === 'commit') entryOf(order.revision).resolve(order);
  if (order.type === 'stop') stop.abort(new Error('stopped'));
  if (order.type === 'turn') for (const agent of agents) agent.turn(order.failed);
  if (order.type !== 'start') return;
  for (const owner of order.tokens) {
    const agent = new BenchAgent(order, owner);
    agents.push(agent);
    agent.run(stop.signal).catch(() => undefined);
  }
});
// Without the process that started it nobody wants the figures.
process.once('disconnect', () => process.exit(0));
stop.signal.addEventListener('abort', () => setTimeout(() => process.exit(0), 500));
