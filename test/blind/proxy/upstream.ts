import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string } }];
  readonly users: readonly [{ readonly user: { readonly 'client-certificate-data': string; readonly 'client-key-data': string } }];
}

export interface UpstreamRequest {
  readonly method: string;
  /** Path with its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>>;
  /** Its body, if it has one. */
  readonly body?: IncomingMessage;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const decode = (data: string): Buffer => Buffer.from(data, 'base64');

/** Headers of the connection between two programs, which are not passed on. */
const HOP_BY_HOP = ['host', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'proxy-connection', 'te', 'trailer'];

/** The API server behind the proxy, as the user of a kubeconfig. */
export class Upstream {
  readonly #server: URL;
  readonly #agent: Agent;

  private constructor(server: URL, agent: Agent) {
    this.#server = server;
    this.#agent = agent;
  }

  static async open(path: string): Promise<Upstream> {
    const { clusters, users } = parse(await readFile(path, 'utf8')) as Kubeconfig;
    const [{ cluster }] = clusters;
    const [{ user }] = users;
    const agent = new Agent({
      keepAlive: true,
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    });
    return new Upstream(new URL(cluster.server), agent);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @returns the response once its head is there @throws what keeps it from coming */
  async send({ method, path, headers = {}, body }: UpstreamRequest): Promise<IncomingMessage> {
    const { hostname, port } = this.#server;
    const sent = request({ agent: this.#agent, hostname, port, method, path, headers: withoutHops(headers) });
    // A connection may break when nobody reads any more; a reader sees it all the same.
    sent.on('error', () => undefined);
    sent.once('response', (response) => response.on('error', () => undefined));
    if (body === undefined) sent.end();
    else body.pipe(sent);
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    return response;
  }

  async read(path: string): Promise<Answer> {
    const response = await this.send({ method: 'GET', path, headers: { accept: 'application/json', 'user-agent': 'fault-proxy' } });
    return { status: response.statusCode ?? 0, body: await readBody(response) };
  }
}

export const withoutHops = <T extends object>(headers: T): T =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name))) as T;

export const readBody = async (message: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
};
