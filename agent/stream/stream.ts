import type { ClusterEvent, SovereignPolicy } from '@fso/shared/api';
import type { Informer, KubeClient } from '@fso/shared/kube';
import { type AgentFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import type { Clock, Logger } from '@fso/shared/runtime';
import type { TrustConfig } from '@fso/shared/trust';
import { Intake, type IntakeOutcome } from '../intake/index.ts';
import type { AgentSnapshot, Observatory } from '../observe/index.ts';
import type { EventOutbox } from '../report/index.ts';
import { isProven, nextProven, Reporter, type RevisionFacts } from '../report/index.ts';
import { ClockSkew } from './clock-skew.ts';
import type { Connection, ConnectionConfig, StreamState } from './connection.ts';
import { Dialler, type DiallerOptions } from './dialler.ts';
import { createWitness, type Witness } from './witness.ts';

export interface StreamConfig extends ConnectionConfig {
  /** As its ManagedCluster in Git has it. */
  readonly cluster: string;
  readonly agentVersion: string;
  /** Who may sign commits. */
  readonly trust: TrustConfig;
}

export interface StreamOptions {
  readonly config: StreamConfig;
  readonly client: KubeClient;
  readonly policies: Informer<SovereignPolicy>;
  readonly observatory: Observatory;
  /** Gets the events of the observatory from whoever made it, so that none is missed before the stream starts. */
  readonly outbox: EventOutbox;
  readonly clock: Clock;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
  /** What proves the agent where it has no token, and until when. */
  readonly certificate?: { readonly current: NonNullable<DiallerOptions['certificate']>; readonly expires: () => Date | undefined };
  /** Gets the events of the intake too; the hub gets them anyway. */
  readonly onEvent?: (event: ClusterEvent) => void;
}

export interface Stream {
  state(): StreamState;
  /** @returns a function that removes the handler */
  onStateChange(handler: (state: StreamState) => void): () => void;
  /** Dials anew with the certificate that there is now. */
  reconnect(): void;
  /** What this cluster has accepted, written and persisted. */
  revisions(): RevisionFacts;
  /** Resolves when everything has ended after the signal aborted. Rejects when a part breaks down: the program has to start anew. */
  readonly done: Promise<void>;
}

const DIGEST_MS = 60_000;

/**
 * Connects this cluster to its hub: takes commits in (step ⑤) and reports what became of them. Resolves once the state of an
 * earlier life is restored, not waiting for the hub; goes on until the signal aborts, whatever fails outside this program.
 *
 * @throws only the signal's reason, when it aborts before the state is restored
 */
export const startStream = async (options: StreamOptions, signal: AbortSignal): Promise<Stream> => {
  const stream = new HubStream(options);
  await stream.restore(signal);
  return stream.start(signal);
};

class HubStream {
  readonly #options: StreamOptions;
  readonly #intake: Intake;
  readonly #reporter: Reporter;
  readonly #dialler: Dialler;
  readonly #witness: Witness;
  readonly #skew: ClockSkew;
  #connection: Connection | undefined;
  /** See {@link nextProven}. */
  #proven: string | null = null;
  /** The hub speaks of the last ack it got; its digest says nothing while an ack is on its way. */
  #ackedSinceDigest: boolean = false;
  /** Revision that was asked for in full because of its digest; asked once, or two versions would do so for ever. */
  #askedAgainFor: string | undefined;
  #wantsAll: boolean = false;

  constructor(options: StreamOptions) {
    const { config, clock, random, logger } = options;
    this.#options = options;
    const onEvent = (event: ClusterEvent): void => {
      this.#reporter.event(event);
      options.onEvent?.(event);
    };
    this.#intake = new Intake({
      ...options,
      cluster: config.cluster,
      trust: config.trust,
      onOutcome: (outcome) => this.#answer(outcome),
      onEvent,
    });
    this.#witness = createWitness({ ...options, onEvent });
    this.#skew = new ClockSkew(clock, onEvent);
    this.#reporter = new Reporter({ ...options, revisions: (snapshot) => this.#facts(snapshot) });
    const handlers = {
      hello: () => this.#hello(),
      onWelcome: ({ time }: { readonly time: string }, connection: Connection) => {
        this.#skew.welcomed(time);
        this.#connected(connection);
      },
      onFrame: (frame: Parameters<Dialler['handlers']['onFrame']>[0]) => this.#take(frame),
      onEnd: () => this.#disconnected(),
    };
    this.#dialler = new Dialler({ config, clock, random, logger, certificate: options.certificate?.current }, handlers);
  }

  async restore(signal: AbortSignal): Promise<void> {
    await this.#intake.restore(signal);
    await this.#witness.restore(signal);
  }

  start(signal: AbortSignal): Stream {
    const parts = [
      this.#intake.run(signal),
      this.#witness.run(signal),
      this.#reporter.run(signal),
      this.#dialler.run(signal),
      this.#compareDigests(signal),
    ];
    const done = Promise.all(parts.map((part) => this.#guard(part, signal))).then(() => undefined);
    // Whoever started the stream looks at `done` later than it may fail.
    done.catch(() => undefined);
    return {
      state: () => this.#dialler.state,
      onStateChange: (handler) => this.#dialler.onStateChange(handler),
      reconnect: () => this.#connection?.close({ kind: 'renewed', reason: 'the agent has a new certificate' }),
      revisions: () => this.#facts(this.#options.observatory.snapshot()),
      done,
    };
  }

  /** An aborted signal is how each part ends; anything else is a mistake in this program that must be seen. */
  async #guard(part: Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await part;
    } catch (error) {
      if (signal.aborted) return;
      this.#options.logger.fatal({ err: error }, 'stream to the hub broke down');
      throw error;
    }
  }

  #hello(): AgentFrame & { type: 'hello' } {
    const { cluster, agentVersion } = this.#options.config;
    const { accepted, anchor, holds, judged } = this.#intake;
    // What was accepted before these signers were configured is asked for again, to be judged by them.
    const revision = this.#wantsAll || !judged ? null : (accepted?.revision ?? null);
    this.#wantsAll = false;
    this.#skew.greeted();
    const checkpoint = this.#witness.held() ?? null;
    return { type: 'hello', protocol: PROTOCOL_VERSION, cluster, revision, holds, anchor, agentVersion, checkpoint };
  }

  #connected(connection: Connection): void {
    this.#connection = connection;
    this.#reporter.connected((frame) => connection.send(frame));
  }

  #disconnected(): void {
    this.#connection = undefined;
    this.#reporter.disconnected();
  }

  #take(frame: Parameters<Dialler['handlers']['onFrame']>[0]): void {
    switch (frame.type) {
      case 'offer':
        this.#intake.offer(frame);
        break;
      case 'reported':
        this.#reporter.acknowledged(frame.seq);
        break;
      case 'resync':
        this.#reporter.resync();
        break;
      case 'digest':
        this.#compare(frame.digest);
        break;
      case 'checkpoint':
        this.#witness.take(frame);
        break;
    }
  }

  #answer(outcome: IntakeOutcome): void {
    if (outcome.type === 'ack') {
      this.#ackedSinceDigest = true;
      this.#connection?.send({ type: 'ack', revision: outcome.revision, digest: outcome.digest });
      this.#dialler.progressed();
      this.#reporter.poke();
      return;
    }
    this.#connection?.send({ type: 'nack', revision: outcome.revision, reasons: [...outcome.reasons] });
    if (outcome.missing) this.#askForAll('objects of the offer are missing');
  }

  #compare(digest: string): void {
    const { accepted, busy } = this.#intake;
    if (accepted === undefined || busy || this.#ackedSinceDigest || accepted.digest === digest) return;
    this.#options.logger.warn({ revision: accepted.revision, digest: accepted.digest, hubDigest: digest }, 'hub expects other policies');
    if (this.#askedAgainFor === accepted.revision) return;
    this.#askedAgainFor = accepted.revision;
    this.#wantsAll = true;
    this.#askForAll('the digests of the desired state differ');
  }

  /** The hub sends in full what a new hello does not claim to hold. */
  #askForAll(reason: string): void {
    this.#intake.forgetObjects();
    this.#connection?.close({ kind: 'resend', reason });
  }

  #facts(snapshot: AgentSnapshot): RevisionFacts {
    const expires = this.#options.certificate?.expires();
    const skewMs = this.#skew.ms;
    return {
      ...this.#revisions(snapshot),
      ...(skewMs === undefined ? {} : { clockSkewMs: skewMs }),
      ...(expires === undefined ? {} : { certificateExpires: expires.toISOString() }),
    };
  }

  #revisions(snapshot: AgentSnapshot): RevisionFacts {
    const { accepted } = this.#intake;
    if (accepted === undefined) return { revision: null, provenRevision: this.#proven, verification: 'unverified' };
    const { revision, policies } = accepted;
    const generationOf = (key: string): number | undefined => this.#intake.generationOf(key);
    // While a newer one is written over it, the accepted one can no longer be judged: the last judgement stands.
    if (policies !== undefined && !this.#intake.writing)
      this.#proven = nextProven(this.#proven, { revision, proven: isProven({ keys: policies, generationOf }, snapshot) });
    const { state: verification, signer, reason } = accepted.verification;
    return {
      revision,
      provenRevision: this.#proven,
      verification,
      ...(signer !== undefined && { signer }),
      ...(reason !== undefined && { verificationReason: reason }),
    };
  }

  async #compareDigests(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#options.clock.sleep(DIGEST_MS, signal);
      this.#ackedSinceDigest = false;
      this.#reporter.sendDigest();
    }
  }
}
