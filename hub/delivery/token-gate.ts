import type { IncomingMessage } from 'node:http';
import { createAuthenticate } from './authenticate.ts';

/** Why a connection is not taken, for the agent's log. */
export interface Denial {
  /** 401: it does not say who it is. 403: that one is not wanted. 503: the hub cannot say now. */
  readonly status: 401 | 403 | 503;
  readonly reason: string;
}

/** Who a connection has proven to be. Everything that comes over it counts as this cluster's, and nothing else does. */
export interface Proof {
  readonly cluster: string;
  /** When it ends by itself. */
  readonly expires: Date | undefined;
  /** Why it is worth nothing any more, if so. */
  recheck(): Promise<Denial | undefined>;
}

/** Judges a connection by its certificate or header, before anything of it is read. */
export type Gate = (request: IncomingMessage) => Promise<Proof | Denial>;

/** Static tokens alone. */
export const tokenGate = (tokens: ReadonlyMap<string, string>): Gate => {
  const authenticate = createAuthenticate(tokens);
  return async ({ headers }) => {
    const cluster = authenticate(headers.authorization);
    if (cluster === undefined) return { status: 401, reason: 'the token is not one of this hub' };
    return { cluster, expires: undefined, recheck: async () => undefined };
  };
};
