import { randomUUID } from 'node:crypto';
import { type AgentFrame, CLOSE_CODES, decodeAgentFrame, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { createBucket } from '@fso/shared/runtime';
import type WebSocket from 'ws';
import { StreamReplacedError } from '../ledger/changes.ts';
import { LedgerError } from '../ledger/ledger-error.ts';
import type { AgentStream } from '../ledger/types.ts';
import type { AgentBudget } from './agent-budget.ts';
import { noteMended, takeAck, takeDigest, takeNack, takeReport } from './frame-handlers.ts';
import { createOutbox } from './outbox.ts';
import { isProtocolError, refuseHello, shortenReason } from './refusals.ts';
import type { SessionState } from './session-state.ts';
import type { DeliveryDeps } from './types.ts';
import { keepWitness, sendCheckpoints, witnessOf } from './witnesses.ts';

/** The open stream of one agent. */
export interface Session {
  readonly cluster: string;
  /** As the ledger knows it. */
  readonly stream: AgentStream;
  offer(revision: string): void;
  close(code: number, reason: string): void;
  /** Sends the newest checkpoint of the audit log, if the agent has not got it. */
  sendCheckpoint(): void;
  ping(): void;
}

export interface SessionHooks {
  /** The agent has said who it is, and it is who its certificate or token says. */
  onReady(session: Session): void;
  onClosed(session: Session): void;
}

type Hello = Extract<AgentFrame, { type: 'hello' }>;

/** A hello says little; nothing larger is looked at before it. */
const MAX_HELLO_BYTES = 64 * 1024;
/** Of reports with bad entries. */
const WARNINGS = { burst: 10, perSecond: 0.1 };
/** A closing handshake that takes longer is cut. */
const CLOSE_MS = 1_000;

/** Whose stream it is. */
export interface SessionOwner {
  /** As proven by the certificate or token of the connection. */
  readonly cluster: string;
  readonly budget: AgentBudget;
}

export const startSession = (socket: WebSocket, { cluster, budget }: SessionOwner, deps: DeliveryDeps, hooks: SessionHooks): Session => {
  const { clock, ledger, limits } = deps;
  const logger = deps.logger.child({ cluster });
  const state: SessionState = {
    holds: null,
    anchor: null,
    revision: null,
    heading: null,
    known: new Set(),
    offered: new Set(),
    resyncing: false,
    mended: 0,
    mayTellMended: createBucket(clock, WARNINGS),
    target: null,
    checkpoint: null,
    sentCheckpoint: null,
  };
  const closing = new AbortController();
  let ready = false;
  let alive = true;
  /** Frames being taken in. Meanwhile the socket is paused, so that neither pings nor pongs of the agent are read. */
  let pending = 0;

  const cut = (): void => {
    clock.sleep(CLOSE_MS, closing.signal).then(
      () => socket.terminate(),
      () => undefined,
    );
  };
  const close = (code: number, reason: string): void => {
    socket.close(code, shortenReason(reason));
    cut();
  };
  const stream: AgentStream = { id: randomUUID(), isOpen: () => socket.readyState === socket.OPEN };
  /** @returns whether the agent has another stream, at whichever hub; then this one ends */
  const endIfReplaced = (err: unknown): boolean => {
    if (!(err instanceof StreamReplacedError)) return false;
    close(CLOSE_CODES.replaced, err.message);
    return true;
  };
  const writeFailed = (err: unknown): void => {
    if (!endIfReplaced(err)) logger.error({ err }, 'ledger write failed');
  };
  const outbox = createOutbox(socket, {
    clock,
    stallMs: limits.stallMs,
    maxBufferedBytes: limits.maxBufferedBytes,
    onTooSlow: () => {
      logger.warn('agent too slow');
      close(CLOSE_CODES.tooSlow, 'the connection does not drain');
    },
    onOffered: ({ revision, objects }) => {
      state.known.add(revision);
      state.offered.add(revision);
      state.heading = revision;
      deps.metrics.offered();
      ledger.setOffered(cluster, revision, stream).catch(writeFailed);
      logger.info({ revision, objects }, 'revision offered');
    },
  });
  const send = (frame: HubFrame): void => outbox.send(encodeFrame(frame));

  const pace = async (ms: number): Promise<void> => {
    if (ms > 0) await clock.sleep(ms, closing.signal);
  };
  const makeOffer = async (revision: string): Promise<void> => {
    const history = { holds: state.holds, anchor: state.anchor };
    const waitMs = budget.claim(history);
    await pace(waitMs ?? 0);
    const offer = await deps.offers.get(history, revision, waitMs !== undefined);
    // A newer revision that came meanwhile makes its own offer.
    if (state.target === revision) outbox.offer(offer);
  };

  const session: Session = {
    cluster,
    stream,
    close,
    offer: (revision) => {
      if (state.target === revision) return;
      state.target = revision;
      outbox.dropWaiting();
      // Not what it enforces: an agent that still works on another one must be called back from it.
      if (state.heading !== revision)
        makeOffer(revision).catch((err: unknown) => {
          if (err === closing.signal.reason) return;
          logger.error({ err, revision }, 'offer failed');
          // The agent comes back and is offered it again.
          close(1011, 'the offer cannot be made');
        });
    },
    sendCheckpoint: () => {
      if (ready) sendCheckpoints(state, deps, send).catch((err: unknown) => logger.warn({ err }, 'checkpoint not sent'));
    },
    ping: () => {
      if (!ready) return;
      if (pending > 0) {
        // A database that is away can hold a frame up for long: that silence is the hub's own, on both sides. The pong that nobody asked
        // for (RFC 6455, 5.5.3) stands for those that the agent waits for.
        socket.ping();
        socket.pong();
        return;
      }
      if (!alive) {
        logger.warn('agent does not answer');
        socket.terminate();
        return;
      }
      alive = false;
      socket.ping();
    },
  };

  let noting = false;
  let answered = false;
  /** One at a time: heartbeats must not pile up behind a database that is away. */
  const noteAlone = async (write: () => Promise<void>): Promise<void> => {
    if (noting) return;
    noting = true;
    await write().finally(() => {
      noting = false;
    });
  };
  /** An ack is lost where the stream broke before it; what the agent enforces by its hello is the same word. */
  const noteRevision = async (revision: string | null): Promise<void> => {
    if (revision === null) return;
    const known = await ledger.cluster(cluster);
    // What the agent has said of a revision meanwhile is the newer word.
    if (!answered && known?.acked?.revision !== revision) await ledger.setAck(cluster, { revision, digest: null }, stream);
  };
  const noteHello = async (hello: Hello): Promise<void> => {
    await noteAlone(() => ledger.openStream(cluster, stream));
    await noteRevision(hello.revision);
    await keepWitness(hello, { cluster, stream, state, budget, send, deps, logger });
  };

  const greet = (hello: Hello): void => {
    const refused = refuseHello(hello, cluster);
    if (refused !== undefined) {
      logger.warn({ reason: refused.reason }, 'hello refused');
      close(refused.code, refused.reason);
      return;
    }
    ready = true;
    state.holds = hello.holds;
    state.anchor = hello.anchor;
    state.revision = hello.revision;
    state.heading = hello.revision;
    state.checkpoint = witnessOf(hello, deps)?.sequence ?? null;
    if (hello.revision !== null) state.known.add(hello.revision);
    send({ type: 'welcome', protocol: PROTOCOL_VERSION, hubVersion: deps.version, time: clock.now().toISOString() });
    hooks.onReady(session);
    const target = deps.target(cluster);
    if (target !== null) session.offer(target);
    // Not waited for: with the database away the agent is greeted and served all the same.
    noteHello(hello).catch(writeFailed);
    session.sendCheckpoint();
    logger.info({ revision: hello.revision, agentVersion: hello.agentVersion }, 'agent connected');
  };

  const take = async (frame: AgentFrame): Promise<void> => {
    if ((frame.type === 'hello') === ready) {
      close(CLOSE_CODES.badFrame, ready ? 'a second hello' : 'the first frame must be a hello');
      return;
    }
    const context = { cluster, stream, state, budget, send, deps, logger };
    switch (frame.type) {
      case 'hello':
        return greet(frame);
      case 'ack':
        answered = true;
        return takeAck(frame, context);
      case 'nack':
        answered = true;
        return takeNack(frame, context);
      case 'report':
        return takeReport(frame, context);
      case 'digest':
        await pace(budget.digest());
        return takeDigest(frame, context);
    }
  };

  const receive = async (data: Buffer, binary: boolean): Promise<void> => {
    if (socket.readyState !== socket.OPEN) return;
    if (!ready && data.byteLength > MAX_HELLO_BYTES) return close(CLOSE_CODES.badFrame, 'the first frame must be a hello');
    const decoded = binary ? ({ ok: false, error: 'frames are text' } as const) : decodeAgentFrame(data);
    if (decoded.ok) {
      noteMended(decoded, { state, logger });
      return take(decoded.frame);
    }
    logger.warn({ reason: decoded.error }, 'bad frame');
    close(CLOSE_CODES.badFrame, decoded.error);
  };

  // One frame at a time and in order; the socket is not read meanwhile, so that nothing piles up here.
  let queue = Promise.resolve();
  const enqueue = (bytes: number, work: () => Promise<void>): void => {
    pending += 1;
    socket.pause();
    queue = queue
      .then(() => {
        const waitMs = budget.frame(bytes);
        // A hello is not held back: the number of connections is bounded already.
        return pace(ready ? waitMs : 0);
      })
      .then(work)
      .catch((err: unknown) => {
        if (err === closing.signal.reason || endIfReplaced(err)) return;
        logger.error({ err }, 'frame failed');
        // A ledger that is closed or full is not the agent's doing.
        if (!(err instanceof LedgerError)) budget.strike();
        close(1011, 'the hub failed on a frame');
      })
      .finally(() => {
        pending -= 1;
        // What was read at once waits here in turn; only then is more read, or small frames would pile up faster than they are taken.
        if (pending === 0) socket.resume();
      });
  };
  socket.on('message', (data, binary) => {
    alive = true;
    // Always one buffer: the type of binary messages is the default one.
    enqueue((data as Buffer).byteLength, () => receive(data as Buffer, binary));
  });
  /** A heartbeat that comes by itself is a write of the ledger, however many follow each other. */
  const mayNote = createBucket(clock, { burst: 2, perSecond: 2_000 / limits.heartbeatMs });
  socket.on('pong', () => {
    alive = true;
    // Only who has said hello is connected: nothing would take the word back when this stream ends.
    if (ready && stream.isOpen() && mayNote()) noteAlone(() => ledger.setConnected(cluster, true, stream)).catch(writeFailed);
    enqueue(0, async () => undefined);
  });
  socket.on('ping', () => {
    enqueue(0, async () => undefined);
    // Each is answered, also where nobody reads the answers.
    if (socket.bufferedAmount > limits.maxBufferedBytes) socket.terminate();
  });
  socket.on('error', (err) => {
    logger.warn({ err }, 'stream failed');
    if (isProtocolError(err)) budget.strike();
  });
  socket.on('close', (code, reason) => {
    closing.abort();
    if (ready) logger.info({ code, reason: String(reason) }, 'agent disconnected');
    hooks.onClosed(session);
  });
  clock.sleep(limits.helloMs, closing.signal).then(
    () => {
      if (!ready) close(CLOSE_CODES.badFrame, 'no hello in time');
    },
    () => undefined,
  );
  return session;
};
