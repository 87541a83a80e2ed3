import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { EMPTY_DIGEST, encodeFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import { type Clock, systemClock, WAIT_OVERTAKEN } from '@fso/shared/runtime';
import { type WebSocket, WebSocketServer } from 'ws';
import { Connection, type ConnectionHandlers, createReadPace } from '../../agent/stream/connection.ts';
import type { RunningHub } from '../../hub/hub.ts';
import { openHubHarness, TOKENS } from '../harness/hub-harness.ts';
import { createRandom } from '../harness/random.ts';
import { connectStream, type StreamClient } from '../harness/stream-client.ts';
import { describeGrowth, type Holdings, holdings } from './growth.ts';
import { type RawFrame, randomAgentFrame, randomHubFrame } from './random-frames.ts';

export interface FuzzOptions {
  readonly seed: number;
  readonly frames: number;
  readonly log: (line: string) => void;
}

/**
 * Options of a run among the other tests: FSO_TEST_FRAMES frames, the same in every run unless
 * FSO_TEST_SEED is another number.
 */
export const testOptions = (what: string): FuzzOptions => {
  const { FSO_TEST_SEED: seed = '1', FSO_TEST_FRAMES: frames = '1500' } = process.env;
  return {
    seed: seed === 'random' ? randomInt(2 ** 31 - 1) : Number(seed),
    frames: Number(frames),
    log: (line) => console.log(`${what}: ${line}`),
  };
};

export interface FuzzResult {
  readonly before: Holdings;
  readonly after: Holdings;
  /** Frames that the other side took, and that it closed the stream for. */
  readonly taken: number;
  readonly refused: number;
}

/**
 * Frames after which what is there counts as the beginning: code is compiled, and records and
 * caches are filled.
 */
const WARM_UP_SHARE = 5;

/**
 * Sends frames one by one, and compares what this process holds after the first of them and after
 * all.
 */
const sendAll = async (
  { seed, frames, log }: FuzzOptions,
  makeFrame: (random: () => number) => RawFrame,
  send: (frame: RawFrame) => Promise<boolean>,
): Promise<FuzzResult> => {
  const random = createRandom(seed);
  let [taken, refused] = [0, 0];
  const sendSome = async (count: number): Promise<Holdings> => {
    for (let n = 0; n < count; n += 1) {
      if (await send(makeFrame(random))) taken += 1;
      else refused += 1;
      if ((taken + refused) % 10_000 === 0) log(`${taken + refused} frames`);
    }
    return holdings();
  };
  const warmUp = Math.ceil(frames / WARM_UP_SHARE);
  const before = await sendSome(warmUp);
  const after = await sendSome(frames - warmUp);
  log(`${taken} frames taken, ${refused} refused; ${describeGrowth(before, after)}`);
  return { before, after, taken, refused };
};

/** Moves on by itself, so that nobody is kept away for long. */
class HastyClock implements Clock {
  #aheadMs = 0;

  skip(ms: number): void {
    this.#aheadMs += ms;
  }

  now(): Date {
    return systemClock.now();
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#aheadMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    return systemClock.sleep(ms, signal);
  }
}

/** Longer than a hub keeps an agent away whose frames it cannot read. */
const FORGIVEN_MS = 1_000_000;
const CLUSTER = 'eu';
/** First sequence number of the reports that follow each frame, above those of random reports. */
const FIRST_SEQ = 1_000;

/** The agent of one cluster that sends any frame to a hub. */
class HostileAgent {
  readonly #hub: RunningHub;
  readonly #clock: HastyClock;
  #stream: StreamClient | undefined;
  #seq = FIRST_SEQ;

  constructor(hub: RunningHub, clock: HastyClock) {
    this.#hub = hub;
    this.#clock = clock;
  }

  /** @returns whether the hub took the frame, by its answer to a report that follows */
  async send(frame: RawFrame): Promise<boolean> {
    const stream = this.#stream ?? (await this.#connect());
    this.#seq += 1;
    stream.sendRaw(frame);
    stream.send({ type: 'report', seq: this.#seq, full: true, policies: [], removed: [], events: [] });
    for (;;) {
      const answer = await Promise.race([stream.closed, stream.next('reported')]);
      if ('code' in answer) {
        this.#stream = undefined;
        return false;
      }
      if (answer.seq === this.#seq) return true;
    }
  }

  async close(): Promise<void> {
    this.#stream?.close();
    await this.#stream?.closed;
  }

  async #connect(): Promise<StreamClient> {
    this.#clock.skip(FORGIVEN_MS);
    this.#stream = await connectStream(this.#hub.agentUrl, TOKENS.get(CLUSTER) ?? '', CLUSTER);
    this.#stream.hello();
    await this.#stream.greeted;
    return this.#stream;
  }
}

/** Random frames at a hub on a real stream. */
export const fuzzHub = async (options: FuzzOptions): Promise<FuzzResult> => {
  const bench = await openHubHarness();
  const clock = new HastyClock();
  try {
    const agent = new HostileAgent(await bench.startHub({ deps: { clock } }), clock);
    const result = await sendAll(options, randomAgentFrame, (frame) => agent.send(frame));
    await agent.close();
    return result;
  } finally {
    await bench.close();
  }
};

const HANDLERS: ConnectionHandlers = {
  hello: () => ({
    type: 'hello',
    protocol: PROTOCOL_VERSION,
    cluster: CLUSTER,
    revision: null,
    holds: null,
    anchor: null,
    agentVersion: 'fuzz',
  }),
  ages: () => ({ oldestPartMs: 0, oldestKindMs: 0, outOfDate: [] }),
  onWelcome: () => undefined,
  onFrame: () => undefined,
};
const WELCOME = encodeFrame({
  type: 'welcome',
  protocol: PROTOCOL_VERSION,
  hubVersion: 'fuzz',
  time: '2026-01-01T00:00:00Z',
  reported: { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null },
});

/** A hub that sends any frame to an agent. */
class HostileHub {
  readonly #server: WebSocketServer;
  #socket: WebSocket | undefined;

  constructor(server: WebSocketServer) {
    this.#server = server;
  }

  /** @returns whether the agent took the frame, by its pong to a ping that follows */
  async send(frame: RawFrame): Promise<boolean> {
    const socket = this.#socket ?? (await this.#accept());
    const over = new AbortController();
    const { signal } = over;
    socket.send(frame, { binary: false });
    socket.ping();
    const isTaken = await Promise.race([
      once(socket, 'close', { signal }).then(() => false),
      once(socket, 'pong', { signal }).then(() => true),
    ]);
    over.abort(WAIT_OVERTAKEN);
    if (!isTaken) this.#socket = undefined;
    return isTaken;
  }

  async close(): Promise<void> {
    this.#socket?.terminate();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }

  async #accept(): Promise<WebSocket> {
    const accepted = once(this.#server, 'connection') as Promise<[WebSocket]>;
    const { port } = this.#server.address() as AddressInfo;
    new Connection({ hubUrl: `ws://127.0.0.1:${port}`, token: 'token' }, HANDLERS, createReadPace(systemClock));
    const [socket] = await accepted;
    // The pong that an agent sends by itself after its hello.
    const greeted = once(socket, 'pong');
    socket.send(WELCOME);
    await greeted;
    this.#socket = socket;
    return socket;
  }
}

/** Random frames at the stream of an agent. */
export const fuzzAgent = async (options: FuzzOptions): Promise<FuzzResult> => {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const hub = new HostileHub(server);
  try {
    return await sendAll(options, randomHubFrame, (frame) => hub.send(frame));
  } finally {
    await hub.close();
  }
};
