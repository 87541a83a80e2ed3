import { type AgentFrame, CLOSE_CODES, PROTOCOL_VERSION } from '@fso/shared/protocol';

type Hello = Extract<AgentFrame, { type: 'hello' }>;

/** RFC 6455: the reason of a close frame has at most 123 bytes. */
const MAX_CLOSE_REASON_BYTES = 123;

export const shortenReason = (reason: string): string => {
  const bytes = Buffer.from(reason);
  return bytes.length <= MAX_CLOSE_REASON_BYTES
    ? reason
    : `${bytes
        .subarray(0, MAX_CLOSE_REASON_BYTES - 6)
        .toString('utf8')
        .replace(/�+$/, '')}...`;
};

/** Why a hello is not accepted, if so. The cluster in it is compared with the proven identity, never used instead of it. */
export const refuseHello = (hello: Hello, cluster: string): { code: number; reason: string } | undefined => {
  if (hello.protocol !== PROTOCOL_VERSION)
    return { code: CLOSE_CODES.unsupportedProtocol, reason: `this hub speaks protocol ${PROTOCOL_VERSION}, the agent ${hello.protocol}` };
  if (hello.cluster !== cluster)
    return { code: CLOSE_CODES.unauthorized, reason: 'the hello names another cluster than the one that was proven' };
  return undefined;
};

/** What the peer has said, such as too large a frame, in contrast to a connection that broke. */
export const isProtocolError = (error: Error): boolean => String(Reflect.get(error, 'code')).startsWith('WS_ERR_');
