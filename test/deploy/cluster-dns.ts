import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export const CLUSTER_DOMAIN = 'cluster.local';

const HEADER = 12;
const TYPE_A = 1;
/** Flags of an answer, authoritative and with recursion (RFC 1035, 4.1.1). */
const ANSWER = 0x8580;
const NO_SUCH_NAME = 3;
/** Name by pointer to the question, type A, class IN, no caching, four bytes. */
const RECORD = Buffer.from([0xc0, HEADER, 0, TYPE_A, 0, 1, 0, 0, 0, 0, 0, 4]);

interface Question {
  readonly name: string;
  readonly type: number;
  /** Its bytes, as the answer repeats them. */
  readonly bytes: Buffer;
}

const parseQuestion = (query: Buffer): Question => {
  const labels: string[] = [];
  let at = HEADER;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), bytes: query.subarray(HEADER, at + 5) };
};

const SERVICE = new RegExp(`^([a-z0-9-]+)\\.([a-z0-9-]+)\\.svc\\.${CLUSTER_DOMAIN.replace('.', '\\.')}$`);

/**
 * The DNS of a cluster, as far as pods need it to find Services by name (Kubernetes' DNS
 * specification, 2.3): CoreDNS does the same in other clusters.
 *
 * @param addressOf address of a Service; undefined: there is none
 * @returns a function that ends it
 */
export const startClusterDns = async (
  address: string,
  addressOf: (namespace: string, name: string) => Promise<string | undefined>,
): Promise<() => Promise<void>> => {
  const socket = createSocket('udp4');
  const resolve = async (name: string): Promise<string | undefined> => {
    const [, service, namespace] = SERVICE.exec(name) ?? [];
    return service === undefined || namespace === undefined ? undefined : addressOf(namespace, service);
  };
  const answer = async (query: Buffer): Promise<Buffer> => {
    const { name, type, bytes } = parseQuestion(query);
    const found = await resolve(name);
    const records = found !== undefined && type === TYPE_A ? [RECORD, Buffer.from(found.split('.').map(Number))] : [];
    const head = Buffer.alloc(HEADER);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(ANSWER | (found === undefined ? NO_SUCH_NAME : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(records.length / 2, 6);
    return Buffer.concat([head, bytes, ...records]);
  };
  socket.on('message', (query, { address: from, port }) => {
    // A resolver asks again where it gets no answer.
    answer(query).then(
      (message) => socket.send(message, port, from),
      () => undefined,
    );
  });
  socket.bind(53, address);
  await once(socket, 'listening');
  return async () => {
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  };
};
