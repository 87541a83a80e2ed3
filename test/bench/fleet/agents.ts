import { type Condition, NAMESPACE_MISSING, type PolicyReport, type ReportedLock } from '@fso/shared/api';
import type { CompiledPolicy } from '@fso/shared/compile';
import { sha256 } from '@fso/shared/encoding';
import { type AgentFrame, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { createLogger, systemClock, weakMemo } from '@fso/shared/runtime';
import { expectedReport, listPolicy } from '@fso/shared/status';
import { type AgentSnapshot, LiveObservatory, type PolicySnapshot } from '../../../agent/observe/index.ts';
import { type AcceptedPolicies, type AcceptedPolicy, EventOutbox, Reporter } from '../../../agent/report/index.ts';
import type { Connection } from '../../../agent/stream/connection.ts';
import { Dialler } from '../../../agent/stream/dialler.ts';

/** A commit as its agents take it; it may come after the hub's offer. Clusters with the same number modulo that of the teams are in one team. */
export interface Commit {
  readonly type: 'commit';
  readonly revision: string;
  readonly teams: readonly {
    /** Of what its clusters get. */
    readonly digest: string;
    /** Policies that are new or read otherwise; the others are as before. */
    readonly changed: readonly CompiledPolicy[];
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
      /** Share of the policies whose namespace is missing, others in each cluster. */
      readonly missing: number;
    }
  | Commit
  /** From now on this share of the policies has failed; the others conform. */
  | { readonly type: 'turn'; readonly failed: number }
  | { readonly type: 'stop' };

/** What one agent tells. Times are milliseconds since 1970, with fractions. */
export type News =
  /** The hub has all of its reports; so many policies were sent for it by name since it connected. `bytes`: of its last offer. */
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
  reason: 'Enforced',
  message: 'The API server refuses what it must refuse and admits what it must admit.',
}));
const MISSING: readonly Condition[] = [
  { type: 'Ready', status: 'False', reason: NAMESPACE_MISSING, message: 'The namespace does not exist.', lastTransitionTime: TIME },
];
const PROFILE = { floor: true, gatekeeper: true, injection: true, gatekeeperNamespace: 'gatekeeper-system' };

type State = 'governing' | 'failed' | 'missing';

const timed = (lock: ReportedLock): ReportedLock => ({ ...lock, since: TIME });

/** Report of a policy as the cluster has it: long, with times. */
const reportOf = ({ policy, since }: AcceptedPolicy, state: State): PolicyReport => {
  const namespaces = state === 'missing' ? [] : [policy.spec.targetNamespace];
  const report = expectedReport(listPolicy(policy, since), PROFILE, { isExpired: false, namespaces });
  const { admission, gatekeeper, binding } = report.enforcement;
  return {
    ...report,
    ...(state === 'missing' ? {} : { phase: state === 'failed' ? 'Failed' : 'Active', message: `${policy.name} ${state} of the agent` }),
    enforcement: { admission: timed(admission), gatekeeper: timed(gatekeeper), binding: timed(binding) },
    conditions: [...(state === 'missing' ? MISSING : CONDITIONS)],
    lastUpdated: TIME,
  };
};

/** What all agents of this process say of a policy. */
const snapshotsOf = weakMemo((accepted: AcceptedPolicy): Readonly<Record<State, PolicySnapshot>> => {
  const snapshotOf = (state: State): PolicySnapshot => ({
    report: reportOf(accepted, state),
    generation: 1,
    observedGeneration: 1,
    proven: state !== 'failed',
    violations: [],
  });
  return { governing: snapshotOf('governing'), failed: snapshotOf('failed'), missing: snapshotOf('missing') };
});

/** The policies of the clusters of a team. */
type TeamList = Pick<AcceptedPolicies, 'digest' | 'policies'>;
const NO_LIST: TeamList = { digest: '', policies: new Map() };

const tell = (news: News): void => {
  process.send?.(news);
};

/** The stream and the reports of an agent, as the product has them, over a cluster in which every policy holds. */
class BenchAgent {
  readonly #cluster: string;
  readonly #observatory: LiveObservatory;
  readonly #reporter: Reporter;
  readonly #dialler: Dialler;
  /** Share of the policies whose namespace is missing. */
  readonly #missing: number;
  readonly #drawn = new Map<string, number>();
  #list: TeamList = NO_LIST;
  /** null: it has taken no commit yet. */
  #revision: string | null = null;
  #connection: Connection | undefined;
  #sentPolicies = 0;
  #unanswered = 0;
  #isSettled: boolean = false;
  /** Policies that have to be sent before all is reported. */
  #due = 0;
  /** List of the last report. */
  #saidList: string | undefined;
  /** Policies that have failed. */
  readonly #failed = new Set<string>();
  /** Of the last offer. */
  #bytes = 0;
  /** Revision by the number of the first report that says it. */
  readonly #waiting = new Map<number, string>();

  constructor({ hubUrl, ca, missing }: Extract<Order, { type: 'start' }>, [cluster, token]: readonly [string, string]) {
    this.#cluster = cluster;
    this.#missing = missing;
    this.#observatory = new LiveObservatory(this.#snapshot());
    const revisions = () => ({ revision: this.#revision, provenRevision: this.#revision, verification: 'unverified' }) as const;
    const outbox = new EventOutbox({ clock: systemClock, logger });
    const accepted = () => (this.#revision === null ? undefined : { ...this.#list, generationOf: () => 1, version: 0, isChanging: false });
    this.#reporter = new Reporter({ observatory: this.#observatory, outbox, clock: systemClock, logger, revisions, accepted });
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

  #stateOf(name: string): State {
    if (this.#failed.has(name)) return 'failed';
    return this.#missing > 0 && this.#drawOf(name) < this.#missing ? 'missing' : 'governing';
  }

  #drawOf(name: string): number {
    const drawn = this.#drawn.get(name) ?? drawOf(`${this.#cluster} ${name}`);
    this.#drawn.set(name, drawn);
    return drawn;
  }

  #snapshot(): AgentSnapshot {
    const policies = new Map([...this.#list.policies].map(([name, accepted]) => [name, snapshotsOf(accepted)[this.#stateOf(name)]]));
    return {
      policies,
      profile: PROFILE,
      asOf: new Date(),
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
    const deviating = frame.deviations.reduce((sum, { policies }) => sum + policies.length, 0);
    this.#sentPolicies += deviating + frame.policies.length + frame.removed.length;
    this.#saidList = frame.baseline?.list;
    if (frame.cluster?.provenRevision) this.#waiting.set(frame.seq, frame.cluster.provenRevision);
  }

  turn(failed: number): void {
    const names = [...this.#list.policies.keys()];
    const wanted = new Set(names.slice(0, Math.round(names.length * failed)));
    const turned = names.filter((name) => wanted.has(name) !== this.#failed.has(name));
    this.#failed.clear();
    for (const name of wanted) this.#failed.add(name);
    this.#sentPolicies = 0;
    this.#isSettled = false;
    this.#due = turned.length;
    this.#observatory.publish(this.#snapshot());
  }

  #settle(): void {
    if (this.#revision === null || this.#isSettled || this.#connection === undefined) return;
    if (this.#unanswered > 0 || this.#sentPolicies < this.#due || this.#saidList !== this.#list.digest) return;
    this.#isSettled = true;
    tell({ type: 'settled', cluster: this.#cluster, at: now(), policies: this.#sentPolicies, bytes: this.#bytes });
  }

  #take(frame: Exclude<HubFrame, { type: 'welcome' }>): void {
    if (frame.type === 'resync') this.#reporter.resync();
    if (frame.type === 'list') this.#answer(frame.list);
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

  #answer(list: string): void {
    const answer = this.#reporter.listed(list);
    if (answer !== undefined) this.#connection?.answer(answer);
  }

  #accept({ revision, lists }: TakenCommit): void {
    this.#list = lists[Number(this.#cluster.split('-')[1]) % lists.length] ?? NO_LIST;
    this.#revision = revision;
    this.#connection?.send({ type: 'ack', revision, digest: this.#list.digest });
    this.#observatory.publish(this.#snapshot());
  }
}

/** 0 ≤ x < 1, the same for the same text. */
const drawOf = (text: string): number => Number.parseInt(sha256(text).slice(0, 8), 16) / 2 ** 32;

interface TakenCommit {
  readonly revision: string;
  /** By team. */
  readonly lists: readonly TeamList[];
}

const commits = new Map<string, PromiseWithResolvers<TakenCommit>>();
const entryOf = (revision: string): PromiseWithResolvers<TakenCommit> => {
  const entry = commits.get(revision) ?? Promise.withResolvers<TakenCommit>();
  commits.set(revision, entry);
  return entry;
};
const commitOf = (revision: string): Promise<TakenCommit> => entryOf(revision).promise;

/** Of the last commit, by team. */
let lists: readonly TeamList[] = [];
const takeCommit = ({ revision, teams }: Commit): void => {
  lists = teams.map(({ digest, changed }, team) => {
    const came = changed.map((policy) => [policy.name, { policy, since: revision }] as const);
    return {
      digest,
      policies: came.length === 0 ? (lists[team]?.policies ?? new Map()) : new Map([...(lists[team]?.policies ?? []), ...came]),
    };
  });
  entryOf(revision).resolve({ revision, lists });
};

const agents: BenchAgent[] = [];
const stop = new AbortController();
process.on('message', (order: Order) => {
  if (order.type === 'commit') takeCommit(order);
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
