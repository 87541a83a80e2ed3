import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from 'node:net';

/** A network between a program and a server that can stop to carry anything, without an end that either of them could see. */
export interface TcpProxy {
  readonly port: number;
  /** From now on nothing passes, nor do connections end. */
  cut(): void;
  /** What waited passes, and everything after it. */
  mend(): void;
  /** Ends all connections; new ones pass. */
  drop(): void;
  /** Ends all connections and the proxy. */
  close(): Promise<void>;
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** @param address that it listens on */
export const startTcpProxy = async (target: Endpoint, address = '127.0.0.1'): Promise<TcpProxy> => {
  const sockets = new Set<Socket>();
  let isCut = false;
  const join = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('data', (data) => {
      if (!to.write(data)) from.pause();
    });
    to.on('drain', () => {
      if (!isCut) from.resume();
    });
    // The end of one is not told to the other while the network is cut.
    from.on('close', () => {
      sockets.delete(from);
      if (!isCut) to.destroy();
    });
    from.on('error', () => from.destroy());
    if (isCut) from.pause();
  };
  const server = createServer((client) => {
    const upstream = tcpConnect(target.port, target.host);
    join(client, upstream);
    join(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.pause();
    },
    mend: () => {
      isCut = false;
      for (const socket of sockets) socket.resume();
    },
    drop: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
