import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** Request that the server has received. */
export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Response to a request. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A server that receives notifications, remembers them and gives set answers. */
export interface ReceiverServer extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly ReceivedRequest[];
  answer: (request: ReceivedRequest) => Answer;
}

/** Starts a {@link ReceiverServer} that answers 200. */
export const startReceiverServer = async (): Promise<ReceiverServer> => {
  const received: ReceivedRequest[] = [];
  const started = { answer: (_request: ReceivedRequest): Answer => ({ status: 200, body: 'ok' }) };
  const server = createServer(async (req, res) => {
    const request = { path: req.url ?? '', headers: req.headers, body: await text(req) };
    received.push(request);
    const { status, headers, body } = started.answer(request);
    res.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(started, {
    url: `http://127.0.0.1:${port}`,
    received,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
};
