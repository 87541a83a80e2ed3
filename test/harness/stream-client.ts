import { type AgentFrame, decodeHubFrame, encodeFrame, type HubFrame, PROTOCOL_VERSION } from '@fso/shared/protocol';
import WebSocket from 'ws';
import { type LooseFrame, ReportedNames } from './baselines.ts';

export type FrameOf<T extends HubFrame['type']> = Extract<HubFrame, { type: T }>;

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** Network side of an agent: a real stream, with frames sent by the test. */
export interface StreamClient {
  readonly frames: readonly HubFrame[];
  readonly closed: Promise<Closed>;
  /**
   * Resolves once the hub has answered the hello, with a welcome or a close. An agent sends nothing
   * large before that.
   */
  readonly greeted: Promise<unknown>;
  /**
   * Sends a frame. A report without a baseline gets that of an empty list, and one without
   * deviations those that this stream has reported by name.
   */
  send(frame: LooseFrame): void;
  sendRaw(data: string | Buffer): void;
  /** Sends a pong without a ping. */
  pong(): void;
  hello(change?: Partial<Extract<AgentFrame, { type: 'hello' }>>): void;
  /** Returns the next frame of a type that no earlier call has returned. */
  next<T extends HubFrame['type']>(type: T): Promise<FrameOf<T>>;
  /** Stops and starts reading from the network. */
  pause(): void;
  resume(): void;
  close(): void;
  /** Destroys the connection without closing it, like the end of the process. */
  terminate(): void;
}

/** TLS part of a connection: the CA that it trusts, and its own certificate; PEM. */
export interface TlsPart {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/**
 * @param token token to send; `''` for none
 * @throws Error `HTTP <status>` if the upgrade is refused
 */
export const connectStream = async (agentUrl: string, token: string, cluster: string, tls: TlsPart = {}): Promise<StreamClient> => {
  const socket = new WebSocket(`${agentUrl}/agent/v1/stream`, {
    headers: { ...(token !== '' && { Authorization: `Bearer ${token}` }) },
    ...tls,
    maxPayload: 256 * 1024 * 1024,
  });
  const frames: HubFrame[] = [];
  const taken = new Set<HubFrame>();
  const wakers = new Set<() => void>();
  socket.on('message', (data) => {
    const decoded = decodeHubFrame(data as Buffer);
    if (!decoded.ok) throw new Error(`the hub sent a bad frame: ${decoded.error}`);
    frames.push(decoded.frame);
    for (const wake of wakers) wake();
  });
  const closed = new Promise<Closed>((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.on('error', reject);
    socket.once('unexpected-response', (_request, response) => reject(new Error(`HTTP ${response.statusCode}`)));
  });
  const greeted = Promise.race([closed, new Promise<unknown>((resolve) => socket.once('message', resolve))]);
  const names = new ReportedNames();
  const send = (frame: LooseFrame): void => socket.send(encodeFrame(frame.type === 'report' ? names.complete(frame) : frame));

  return {
    frames,
    closed,
    greeted,
    send,
    sendRaw: (data) => socket.send(data),
    pong: () => socket.pong(),
    hello: (change) =>
      send({
        type: 'hello',
        protocol: PROTOCOL_VERSION,
        cluster,
        revision: null,
        holds: null,
        anchor: null,
        agentVersion: 'test',
        ...change,
      }),
    next: async <T extends HubFrame['type']>(type: T): Promise<FrameOf<T>> => {
      for (;;) {
        const found = frames.find((frame): frame is FrameOf<T> => frame.type === type && !taken.has(frame));
        if (found !== undefined) {
          taken.add(found);
          return found;
        }
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            wakers.delete(wake);
            resolve();
          };
          wakers.add(wake);
        });
      }
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.close(),
    terminate: () => socket.terminate(),
  };
};
