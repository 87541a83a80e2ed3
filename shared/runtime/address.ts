import { isIP } from 'node:net';
import { z } from 'zod';

export interface ListenAddress {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/**
 * Reads `host:port`, `:port` or `[::1]:port`.
 * @throws Error that says what is expected.
 */
export const parseAddress = (address: string): ListenAddress => {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:\s[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) throw new Error(`listen address "${address}": expected host:port, e.g. 127.0.0.1:8080`);
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port };
};

/** A variable with a listen address; a default is text as well (`prefault`). */
export const Address: z.ZodType<ListenAddress, string> = z.string().transform((text, context): ListenAddress => {
  try {
    return parseAddress(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'must be host:port, for instance 127.0.0.1:8080 or [::1]:8080' });
    return z.NEVER;
  }
});

/** Whether what is sent to a host, or comes to it, stays on this machine. IPv6 with or without the brackets of a URL. */
export const isLoopback = (host: string): boolean => {
  const name = host.replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
};
