import { MAX_HUB_FRAME_BYTES } from '@fso/shared/protocol';
import { createTlsAgent, type ProxyConfig, type Secret, secretText } from '@fso/shared/runtime';
import { WebSocket } from 'ws';

/** Certificate and key of the agent, and the CA that verifies the hub; PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** Address of the hub, and how both sides prove themselves. */
export interface ConnectionConfig {
  readonly hubUrl: string;
  /** Static token; absent: a certificate proves the agent. */
  readonly token?: Secret;
  /** PEM of the hub's CA; absent: the system's CAs. */
  readonly ca?: string | undefined;
  /** Proxy to the hub; undefined: direct connection. */
  readonly proxy?: ProxyConfig | undefined;
}

const STREAM_PATH = '/agent/v1/stream';
/**
 * Longest handshake, in ms. A hub whose agents all return at once handles their handshakes one by
 * one.
 */
export const HANDSHAKE_MS = 60_000;

/**
 * Most parts of one frame. A hub sends an offer in fragments of 64 KiB, at most 256 of them. Each
 * may retain the 64 KiB buffer that the socket read it into. A frame whose chunks have less than
 * 512 bytes on average is refused.
 */
const MAX_PARTS = { maxFragments: 512, maxBufferedChunks: 32 * 1024 };

const streamUrl = (hubUrl: string): URL => {
  const url = new URL(hubUrl);
  if (url.pathname === '/') url.pathname = STREAM_PATH;
  return url;
};

/**
 * Dials the hub. The caller sends pongs.
 *
 * @param certificate replaces the token of `config`
 * @param onReached called once the TCP connection is open
 */
export const openHubSocket = (config: ConnectionConfig, certificate: ClientCertificate | undefined, onReached: () => void): WebSocket =>
  new WebSocket(streamUrl(config.hubUrl), {
    headers: config.token === undefined ? {} : { authorization: `Bearer ${secretText(config.token)}` },
    ...(config.ca === undefined ? {} : { ca: config.ca }),
    ...certificate,
    ...(config.proxy && { agent: createTlsAgent(config.proxy), handshakeTimeout: HANDSHAKE_MS }),
    maxPayload: MAX_HUB_FRAME_BYTES,
    ...MAX_PARTS,
    perMessageDeflate: false,
    autoPong: false,
    finishRequest: (request) => {
      request.once('socket', (socket) => socket.once('connect', onReached));
      request.end();
    },
  });
