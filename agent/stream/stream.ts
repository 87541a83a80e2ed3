import type { ClusterEvent, RevisionFacts } from '@fso/shared/api';
import { type AgentFrame, type HubFrame, PROTOCOL_VERSION, type Preview, type ReportedState } from '@fso/shared/protocol';
import { createBucket } from '@fso/shared/runtime';
import type { TrustConfig } from '@fso/shared/trust';
import { Intake, type IntakeDeps, type IntakeOutcome } from '../intake/index.ts';
import { type AgentSnapshot, locatedFrame, type Observatory, type StreamFacts } from '../observe/index.ts';
import type { Previewer } from '../preview/index.ts';
import { type EventOutbox, Reporter } from '../report/index.ts';
import { ClockSkew } from './clock-skew.ts';
import type { Connection, StreamState } from './connection.ts';
import { Dialler, type DiallerOptions } from './dialler.ts';
import type { ConnectionConfig } from './hub-socket.ts';
import { Witness } from './witness.ts';

/** Settings of the agent's connection to its hub. */
export interface StreamConfig extends ConnectionConfig {
  /** Name of the cluster, from its ManagedCluster in Git. */
  readonly cluster: string;
  readonly agentVersion: string;
  /** Trusted signers of commits. */
  readonly trust: TrustConfig;
}

/** Parts of the agent that the stream connects to its hub. */
export interface StreamDeps extends Pick<IntakeDeps, 'runtime' | 'policies' | 'places' | 'revisions'> {
  readonly config: StreamConfig;
  readonly observatory: Observatory;
  /** Collects the events of the observatory, so that none is missed before the start. */
  readonly outbox: EventOutbox;
  /** Ends the intake, after which the stream only reports. Default: the end of the stream. */
  readonly intakeSignal?: AbortSignal;
  /** Certificate that proves the agent instead of a token, and its expiry. */
  readonly certificate?: { readonly current: NonNullable<DiallerOptions['certificate']>; readonly expires: () => Date | undefined };
  /** Answers the hub's questions about changes of policies. Absent: they are not answered. */
  readonly previews?: Pick<Previewer, 'answer'>;
  /** Gets the events of intake and witness, as the hub does. */
  readonly onEvent?: (event: ClusterEvent) => void;
}

/** Connection of the agent to its hub, redialled whenever it ends. */
export interface Stream {
  state(): StreamState;
  /** @returns a function that removes the handler */
  onStateChange(handler: (state: StreamState) => void): () => void;
  /** Redials with the current certificate. */
  reconnect(): void;
  /**
   * Resolves when everything has ended after the signal aborted. Rejects if a part fails, which
   * requires a restart of the program.
   */
  readonly done: Promise<void>;
}

type Welcome = Extract<HubFrame, { type: 'welcome' }>;

const NOTHING_ACCEPTED: RevisionFacts = { revision: null, provenRevision: null, verification: 'unverified' };
const DIGEST_MS = 60_000;
/** Rate of events about untrusted revisions. */
const REFUSALS = { burst: 10, perSecond: 10 / 3_600 };

/**
 * Connects this cluster to its hub: receives commits (step ⑤) and reports their outcome. Resolves
 * once the stored state is restored, without waiting for the hub. Runs until the signal aborts,
 * despite any failure outside this program.
 *
 * @throws the signal's reason if it aborts before the state is restored
 */
export const startStream = async (deps: StreamDeps, signal: AbortSignal): Promise<Stream> => {
  const stream = new HubStream(deps);
  await stream.restore(signal);
  return stream.start(signal);
};

class HubStream {
  readonly #deps: StreamDeps;
  readonly #intake: Intake;
  readonly #reporter: Reporter;
  readonly #dialler: Dialler;
  readonly #witness: Witness;
  readonly #skew: ClockSkew;
  #connection: Connection | undefined;
  /**
   * Whether an ack was sent since the last digest. The hub's digest belongs to the last ack that it
   * received, so it is outdated while an ack is on its way.
   */
  #ackedSinceDigest: boolean = false;
  /**
   * Revision that was requested again because digests differed. Only once, as two versions could
   * otherwise do so for ever.
   */
  #askedAgainFor: string | undefined;
  #wantsAll: boolean = false;

  constructor(deps: StreamDeps) {
    const { runtime, config, policies, places, revisions, observatory, outbox } = deps;
    const { clock, random, logger } = runtime;
    this.#deps = deps;
    const mayAlert = createBucket(clock, REFUSALS);
    const onEvent = (event: ClusterEvent): void => {
      // A hub can cause any number of refused revisions. Metrics count them all.
      if (event.reason !== 'RevisionNotTrusted' || mayAlert()) this.#reporter.event(event);
      deps.onEvent?.(event);
    };
    const { cluster, trust } = config;
    this.#intake = new Intake({
      runtime,
      cluster,
      trust,
      policies,
      places,
      revisions,
      onOutcome: (outcome) => this.#sendOutcome(outcome),
      onEvent,
    });
    this.#witness = new Witness({ ...runtime, onEvent });
    this.#skew = new ClockSkew(clock, onEvent);
    this.#reporter = new Reporter({
      observatory,
      outbox,
      clock,
      logger,
      revisions: (snapshot) => this.#facts(snapshot),
      accepted: () => observatory.snapshot().revision?.accepted,
    });
    const handlers = {
      hello: () => this.#hello(),
      ages: () => observatory.ages(),
      onWelcome: ({ time, reported }: Pick<Welcome, 'time' | 'reported'>, connection: Connection) => {
        this.#skew.welcomed(time);
        this.#connected(connection, reported);
      },
      onFrame: (frame: Parameters<Dialler['handlers']['onFrame']>[0]) => this.#take(frame),
      onDrained: () => this.#reporter.poke(),
      onEnd: () => this.#disconnected(),
    };
    this.#dialler = new Dialler({ config, clock, random, logger, certificate: deps.certificate?.current }, handlers);
  }

  async restore(signal: AbortSignal): Promise<void> {
    await this.#intake.restore(signal);
    await this.#witness.restore(signal);
  }

  start(signal: AbortSignal): Stream {
    const { intakeSignal = signal } = this.#deps;
    const parts = [this.#witness.run(signal), this.#reporter.run(signal), this.#dialler.run(signal), this.#compareDigests(signal)];
    const intake = this.#supervise(this.#intake.run(intakeSignal), intakeSignal);
    const done = Promise.all([intake, ...parts.map((part) => this.#supervise(part, signal))]).then(() => undefined);
    // `done` may reject before the caller awaits it.
    done.catch(() => undefined);
    return {
      state: () => this.#dialler.state,
      onStateChange: (handler) => this.#dialler.onStateChange(handler),
      reconnect: () => this.#connection?.close({ kind: 'renewed', reason: 'the agent has a new certificate' }),
      done,
    };
  }

  /** Awaits a part that ends only with the signal. Any other end is a bug of this program. */
  async #supervise(part: Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await part;
    } catch (error) {
      if (signal.aborted) return;
      this.#deps.runtime.logger.fatal({ err: error }, 'stream to the hub broke down');
      throw error;
    }
  }

  #hello(): AgentFrame & { type: 'hello' } {
    const { cluster, agentVersion } = this.#deps.config;
    const { accepted, holds, judged, newest } = this.#intake;
    // A revision that was accepted before these signers were configured is requested again, to be
    // judged by them.
    const revision = this.#wantsAll || !judged ? null : (accepted?.revision ?? null);
    this.#wantsAll = false;
    this.#skew.greeted();
    const checkpoint = this.#witness.held() ?? null;
    return { type: 'hello', protocol: PROTOCOL_VERSION, cluster, revision, holds, ...newest.anchors, agentVersion, checkpoint };
  }

  #connected(connection: Connection, reported: ReportedState): void {
    this.#connection = connection;
    this.#reporter.connected(
      (frame) => connection.send(frame),
      reported,
      () => connection.isBehind,
    );
  }

  #disconnected(): void {
    this.#connection = undefined;
    this.#reporter.disconnected();
  }

  #take(frame: Parameters<Dialler['handlers']['onFrame']>[0]): void {
    switch (frame.type) {
      case 'offer':
      case 'advance':
      case 'approvals':
        this.#intake.take(frame);
        break;
      case 'reported':
        this.#reporter.acknowledged(frame.seq);
        break;
      case 'resync':
        this.#reporter.resync();
        break;
      case 'inspect':
        this.#connection?.answer(this.#reporter.inspect(frame));
        break;
      case 'locate':
        this.#connection?.answer(locatedFrame(frame, this.#deps.observatory));
        break;
      case 'preview':
        void this.#preview(frame);
        break;
      case 'list':
        this.#reporter.list(frame.list);
        break;
      case 'digest':
        this.#compareDigest(frame.digest);
        break;
      case 'checkpoint':
        this.#witness.take(frame);
        break;
    }
  }

  /** Answers over the connection of the question, if it is still open. */
  async #preview(question: Preview): Promise<void> {
    const connection = this.#connection;
    const isWanted = (): boolean => this.#connection === connection;
    const answer = await this.#deps.previews?.answer(question, isWanted);
    if (answer !== undefined && isWanted()) connection?.answer(answer);
  }

  #sendOutcome(outcome: IntakeOutcome): void {
    if (outcome.type === 'ack') {
      this.#ackedSinceDigest = true;
      this.#dialler.progressed();
      this.#reporter.accepted(outcome);
      return;
    }
    if (outcome.type !== 'nack') {
      this.#reporter.poke();
      return;
    }
    // Sent first, as an ack after the nack would revoke it.
    this.#reporter.sendAck();
    this.#connection?.send({ type: 'nack', revision: outcome.revision, reasons: [...outcome.reasons] });
    if (outcome.missing) this.#askForAll('objects of the offer are missing');
  }

  #compareDigest(digest: string): void {
    const { accepted, busy } = this.#intake;
    if (accepted === undefined || busy || this.#ackedSinceDigest || accepted.digest === digest) return;
    this.#deps.runtime.logger.warn(
      { revision: accepted.revision, digest: accepted.digest, hubDigest: digest },
      'hub expects other policies',
    );
    if (this.#askedAgainFor === accepted.revision) return;
    this.#askedAgainFor = accepted.revision;
    this.#wantsAll = true;
    this.#askForAll('the digests of the desired state differ');
  }

  /** Reconnects. The hub then sends everything that the new hello does not claim to have. */
  #askForAll(reason: string): void {
    this.#intake.forgetObjects();
    this.#connection?.close({ kind: 'resend', reason });
  }

  #facts({ revision }: AgentSnapshot): RevisionFacts & StreamFacts {
    const { observatory, certificate } = this.#deps;
    const expires = certificate?.expires();
    const [skewMs, held, verifiedRevision] = [this.#skew.ms, this.#intake.held, this.#intake.newest.stored];
    const { provenRevision, ...facts } = revision?.facts ?? NOTHING_ACCEPTED;
    return {
      ...facts,
      ...(held && { held }),
      ...(verifiedRevision && { verifiedRevision }),
      // Proofs do not count while the cluster is not observed.
      provenRevision: observatory.ages().outOfDate.length === 0 ? provenRevision : null,
      ...(skewMs === undefined ? {} : { clockSkewMs: skewMs }),
      ...(expires === undefined ? {} : { certificateExpires: expires.toISOString() }),
    };
  }

  async #compareDigests(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#deps.runtime.clock.sleep(DIGEST_MS, signal);
      this.#ackedSinceDigest = false;
      this.#reporter.sendDigest();
    }
  }
}
