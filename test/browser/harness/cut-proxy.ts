import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A connection between a browser and the hub that a test can break. */
export interface CutProxy {
  /** URL of the hub for the browser. */
  readonly url: string;
  /** Breaks every connection, and lets none through until {@link mend}. */
  cut(): void;
  mend(): void;
  close(): Promise<void>;
}

/** @param target URL of the hub */
export const startCutProxy = async (target: string): Promise<CutProxy> => {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isCut = false;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    keep(client);
    if (isCut) {
      client.destroy();
      return;
    }
    const hub = connect(Number(port), hostname);
    keep(hub);
    client.on('close', () => hub.destroy());
    hub.on('close', () => client.destroy());
    client.pipe(hub);
    hub.pipe(client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: () => {
      isCut = false;
    },
    close: async () => {
      cut();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
};
