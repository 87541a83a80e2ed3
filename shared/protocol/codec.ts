import { z } from 'zod';
import { messageOf } from '../runtime/index.ts';
import { MAX_LISTED } from '../status/index.ts';
import { countNames } from './deviation-groups.ts';
import {
  Ack,
  type AgentFrame,
  Digest,
  Hello,
  HubFrame,
  Inspected,
  Listed,
  Located,
  MAX_FRAME_BYTES,
  MAX_HUB_FRAME_BYTES,
  MAX_PREVIEW_BYTES,
  Nack,
  Previewed,
  Report,
} from './frames.ts';
import { exceededJsonLimit } from './json-size.ts';
import { judgeClusterReport, judgeEvent, judgePolicyReport, type ValidatedEntries } from './reports.ts';
import { validate } from './validation.ts';

/** Data of a message as a WebSocket passes it on. */
export type FrameData = string | Uint8Array | ArrayBuffer | readonly Uint8Array[];

/** Valid frame, or the reason of its refusal. */
export type Decoded<F> = { readonly ok: true; readonly frame: F } | Refused;

/** Longest explanation of a refused frame, in UTF-16 code units. */
const MAX_ERROR_LENGTH = 2000;
/**
 * Limits above any frame that is sent. An offer of 20,000 files has some 200,000 values; a report
 * of 4 MiB has at most a million (names of namespaces) and some 200,000 keys. A parsed frame at
 * these limits takes some 100 MiB.
 */
const JSON_LIMITS = { depth: 32, values: 1_000_000, keys: 300_000 };
/** Fields of a frame. The largest one has 9. */
const MAX_FIELDS = 16;
/**
 * Most entries of one report that may be invalid. An agent validates its entries by the same
 * functions before it sends them, so a correct one sends none.
 */
export const MAX_INVALID_ENTRIES = 20;

/** Encodes a frame for the stream. Frames are validated when they are decoded. */
export const encodeFrame = (frame: AgentFrame | HubFrame): string => JSON.stringify(frame);

/** Report whose entries are not validated yet. */
const Envelope = Report.extend({
  cluster: z.unknown().optional(),
  policies: z.array(z.unknown()).max(MAX_LISTED),
  events: z.array(z.unknown()).max(1000),
});
const Answer = Inspected.extend({ report: z.unknown() });
const AgentEnvelope = z.discriminatedUnion('type', [Hello, Ack, Nack, Envelope, Digest, Answer, Located, Previewed, Listed]);

/**
 * Frame sent by an agent. `problems` describe single entries of a report that were corrected or
 * left out, see reports.ts.
 */
export type DecodedAgentFrame = Decoded<AgentFrame> & { readonly problems?: readonly string[] };

/** Reads a frame sent by an agent. Never throws. */
export const decodeAgentFrame = (data: FrameData): DecodedAgentFrame =>
  neverThrowing((): DecodedAgentFrame => {
    const decoded = decode(AgentEnvelope, data);
    if (!decoded.ok) return decoded;
    const { frame } = decoded;
    switch (frame.type) {
      case 'report':
        return judgeEntries(frame);
      case 'inspected':
        return { ok: true, frame: { ...frame, report: judgePolicyReport(frame.report).entry ?? null } };
      default:
        return { ok: true, frame };
    }
  });

const judgeEntries = ({ cluster, ...envelope }: z.infer<typeof Envelope>): DecodedAgentFrame => {
  const named = countNames(envelope.deviations) + envelope.policies.length;
  if (named > MAX_LISTED) return refuse(`the report names ${named} policies, more than the ${MAX_LISTED} that are accepted`);
  const problems: string[] = [];
  const entryOf = <T>(what: string, { entry, problem }: ValidatedEntries<T>): T | undefined => {
    if (problem !== undefined) problems.push(`${what}: ${problem}`);
    return entry;
  };
  const entriesOf = <T>(what: string, values: readonly unknown[], judge: (value: unknown) => ValidatedEntries<T>): T[] => {
    const entries: T[] = [];
    for (const [index, value] of values.entries()) {
      if (problems.length > MAX_INVALID_ENTRIES) break;
      const entry = entryOf(`${what}[${index}]`, judge(value));
      if (entry !== undefined) entries.push(entry);
    }
    return entries;
  };
  const judged = cluster === undefined ? undefined : entryOf('cluster', judgeClusterReport(cluster));
  const frame: Report = {
    ...envelope,
    ...(judged === undefined ? {} : { cluster: judged }),
    policies: entriesOf('policies', envelope.policies, judgePolicyReport),
    events: entriesOf('events', envelope.events, judgeEvent),
  };
  if (problems.length > MAX_INVALID_ENTRIES)
    return refuse(`more than ${MAX_INVALID_ENTRIES} entries of the report are not valid, such as ${problems[0]}`);
  return { ok: true, frame, ...(problems.length === 0 ? {} : { problems }) };
};

/** Reads a frame sent by a hub. Never throws. */
export const decodeHubFrame = (data: FrameData): Decoded<HubFrame> => neverThrowing(() => decode(HubFrame, data, MAX_HUB_FRAME_BYTES));

/** Handles parsers that overflow the stack on a field of very many bytes or issues. */
const neverThrowing = <D>(read: () => D): D | Refused => {
  try {
    return read();
  } catch (error) {
    return refuse(`the frame cannot be read: ${messageOf(error)}`);
  }
};

const decode = <F>(schema: z.ZodType<F>, data: FrameData, maxBytes: number = MAX_FRAME_BYTES): Decoded<F> => {
  const size = sizeOf(data);
  if (size > maxBytes) return refuse(`the frame has ${size} bytes, more than the ${maxBytes} that are accepted`);
  let value: unknown;
  try {
    const text = textOf(data);
    const exceeded = exceededJsonLimit(text, JSON_LIMITS);
    if (exceeded !== undefined) return refuse(`the frame is too large: ${exceeded}`);
    value = JSON.parse(text);
  } catch (error) {
    return refuse(`the frame is not JSON in UTF-8: ${messageOf(error)}`);
  }
  if (typeof value !== 'object' || value === null || Object.keys(value).length > MAX_FIELDS)
    return refuse(`the frame is not an object of at most ${MAX_FIELDS} fields`);
  if (size > MAX_PREVIEW_BYTES && Reflect.get(value, 'type') === 'preview')
    return refuse(`the question has ${size} bytes, more than the ${MAX_PREVIEW_BYTES} that are accepted`);
  const validation = validate(schema, value, MAX_ERROR_LENGTH);
  return validation.ok ? { ok: true, frame: validation.data } : refuse(validation.problem);
};

interface Refused {
  readonly ok: false;
  readonly error: string;
}

const refuse = (error: string): Refused => ({ ok: false, error: error.slice(0, MAX_ERROR_LENGTH) });

const isChunks = (data: FrameData): data is readonly Uint8Array[] => Array.isArray(data);

const sizeOf = (data: FrameData): number => {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return isChunks(data) ? data.reduce((sum, chunk) => sum + chunk.byteLength, 0) : data.byteLength;
};

const textOf = (data: FrameData): string => {
  if (typeof data === 'string') return data;
  const bytes = isChunks(data) ? Buffer.concat(data) : data;
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
};

/** Close code of a hub that stops (RFC 6455, 7.4.1). */
export const GOING_AWAY = 1001;
const RETURN = /come back within (\d{1,9}) ms$/;

/**
 * Reason of a close with {@link GOING_AWAY}. Agents reconnect at random times within `windowMs`, so
 * that the next hub does not get all handshakes and reports at once.
 */
export const describeReturn = (windowMs: number): string => `the hub stops; come back within ${windowMs} ms`;

/**
 * Reads from the end of a connection within which time the agent should reconnect.
 *
 * @returns milliseconds; undefined if the close names no time
 */
export const readReturn = (code: number, reason: string): number | undefined => {
  const text = code === GOING_AWAY ? RETURN.exec(reason)?.[1] : undefined;
  return text === undefined ? undefined : Number(text);
};
