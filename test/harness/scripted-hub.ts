import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { AgentClusterReport } from '@fso/shared/api';
import {
  type AgentFrame,
  type DecodedAgentFrame,
  decodeAgentFrame,
  EMPTY_DIGEST,
  encodeFrame,
  factsAfter,
  type HubFrame,
  PROTOCOL_VERSION,
} from '@fso/shared/protocol';
import { type WebSocket, WebSocketServer } from 'ws';

const NOTHING_REPORTED = { seq: 0, policies: EMPTY_DIGEST, cluster: null, baseline: null };

type FrameOf<T extends AgentFrame['type']> = Extract<AgentFrame, { type: T }>;

/**
 * Hub that sends only what a test tells it to, over a real socket. It answers hellos with a
 * welcome, and acknowledges reports.
 */
export interface ScriptedHub {
  readonly url: string;
  /**
   * Returns all frames of one type received so far, over all connections. An ack inside a report is
   * also returned as a frame. A report that changes a part of the cluster's state is returned with
   * all of that state.
   */
  got<T extends AgentFrame['type']>(type: T): readonly FrameOf<T>[];
  /** Authorization headers of the connections. */
  readonly authorizations: readonly string[];
  send(frame: HubFrame): void;
  /** Sends data that no correct hub would send. */
  sendRaw(data: string | Buffer): void;
  /** Socket of the current connection to the agent. */
  readonly socket: WebSocket | undefined;
  /** Closes the current connection. */
  drop(code?: number): void;
  close(): Promise<void>;
}

export interface ScriptedHubOptions {
  readonly protocol?: number;
  /** HTTP status with which connections are refused. */
  readonly refuseWith?: number;
}

/** Reads frames as {@link ScriptedHub.got} returns them. */
const createFrameReader = (): ((frame: AgentFrame) => readonly AgentFrame[]) => {
  let known: AgentClusterReport | null = null;
  return (frame) => {
    if (frame.type !== 'report') return [frame];
    const { ack, revision: _part, ...report } = frame;
    const before = known;
    known = factsAfter(known, frame);
    const acks: AgentFrame[] = ack === undefined ? [] : [{ type: 'ack', ...ack }];
    return [...acks, known === null || known === before ? report : { ...report, cluster: known }];
  };
};

const problemOf = (decoded: DecodedAgentFrame): string => (decoded.ok ? (decoded.problems ?? []).join('; ') : decoded.error);

export const startScriptedHub = async ({ protocol = PROTOCOL_VERSION, refuseWith }: ScriptedHubOptions = {}): Promise<ScriptedHub> => {
  const frames: AgentFrame[] = [];
  const read = createFrameReader();
  const authorizations: string[] = [];
  let socket: WebSocket | undefined;
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    verifyClient: (info, done) => {
      authorizations.push(info.req.headers.authorization ?? '');
      done(refuseWith === undefined && info.req.url === '/agent/v1/stream', refuseWith ?? 404);
    },
  });
  const send = (frame: HubFrame): void => socket?.send(encodeFrame(frame));
  server.on('connection', (opened) => {
    socket = opened;
    opened.on('message', (data) => {
      const decoded = decodeAgentFrame(data as Buffer);
      if (!decoded.ok || decoded.problems !== undefined) throw new Error(`the agent sent a bad frame: ${problemOf(decoded)}`);
      frames.push(...read(decoded.frame));
      if (decoded.frame.type === 'hello')
        send({ type: 'welcome', protocol, hubVersion: 'test', time: new Date().toISOString(), reported: NOTHING_REPORTED });
      if (decoded.frame.type === 'report') send({ type: 'reported', seq: decoded.frame.seq });
    });
  });
  await once(server, 'listening');
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    authorizations,
    got: <T extends AgentFrame['type']>(type: T) => frames.filter((frame): frame is FrameOf<T> => frame.type === type),
    send,
    sendRaw: (data) => socket?.send(data),
    get socket() {
      return socket;
    },
    drop: (code = 1001) => socket?.close(code),
    close: async () => {
      for (const client of server.clients) client.terminate();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
};
