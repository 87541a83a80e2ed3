import { type AddressInfo, createServer, type Socket, connect as tcpConnect } from 'node:net';

/**
 * Network between a program and a server, which can stop carrying data without a visible end of the
 * connection.
 */
export interface TcpProxy {
  readonly port: number;
  /**
   * Stops all traffic without ending connections.
   *
   * @param spared port by which the server knows a connection that continues
   */
  cut(spared?: number): void;
  /** Stops the traffic on the current connections without ending them. New connections pass. */
  freeze(): void;
  /** Forwards the data that was held, and all later data. */
  mend(): void;
  /** Ends all connections. New ones pass. */
  drop(): void;
  /** Ends all connections and the proxy. */
  close(): Promise<void>;
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

interface Connection {
  readonly client: Socket;
  readonly upstream: Socket;
}

/** @param address address to listen on */
export const startTcpProxy = async (target: Endpoint, address = '127.0.0.1'): Promise<TcpProxy> => {
  const connections = new Set<Connection>();
  const held = new Set<Socket>();
  let isCut = false;
  const hold = ({ client, upstream }: Connection): void => {
    for (const socket of [client, upstream]) held.add(socket.pause());
  };
  const join = (from: Socket, to: Socket): void => {
    from.on('data', (data) => {
      if (!to.write(data)) from.pause();
    });
    to.on('drain', () => {
      if (!held.has(from)) from.resume();
    });
    // While the network is cut, the end of one side is not forwarded to the other.
    from.on('close', () => {
      if (!held.has(from)) to.destroy();
    });
    from.on('error', () => from.destroy());
  };
  const server = createServer((client) => {
    const connection: Connection = { client, upstream: tcpConnect(target.port, target.host) };
    connections.add(connection);
    join(client, connection.upstream);
    join(connection.upstream, client);
    for (const socket of [client, connection.upstream])
      socket.once('close', () => {
        if (client.destroyed && connection.upstream.destroyed) connections.delete(connection);
      });
    if (isCut) hold(connection);
  });
  const destroyAll = (): void => {
    for (const { client, upstream } of connections) for (const socket of [client, upstream]) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: (spared) => {
      isCut = true;
      for (const connection of connections) if (connection.upstream.localPort !== spared) hold(connection);
    },
    freeze: () => {
      for (const connection of connections) hold(connection);
    },
    mend: () => {
      isCut = false;
      for (const socket of held) socket.resume();
      held.clear();
    },
    drop: destroyAll,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      destroyAll();
      await closed;
    },
  };
};
