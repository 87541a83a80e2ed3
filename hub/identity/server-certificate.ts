import { X509Certificate } from 'node:crypto';
import { hostname } from 'node:os';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { isLoopback, type ListenAddress, type Runtime } from '@fso/shared/runtime';
import { type Authority, HUB_BACKDATE_MS } from './authority.ts';
import type { KeyPair } from './x509.ts';

/** Part of a server whose certificate can be replaced while it runs. */
export interface SecureServer {
  setSecureContext(options: SecureContextOptions): void;
}

/** Origin and names of the listener's certificate. */
export interface ServerCertificateOptions extends Pick<Runtime, 'clock' | 'logger'> {
  readonly authority: Authority;
  /** Certificate of the operator, used unchanged; undefined: the CA issues one. */
  readonly given: KeyPair | undefined;
  readonly hosts: readonly string[];
  /** Lifetime of an issued certificate, in milliseconds. */
  readonly validMs: number;
}

const LOCAL_NAMES: readonly string[] = ['localhost', '127.0.0.1', '::1'];
const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];
/**
 * Maximum interval between two checks, in milliseconds. Timers of Node.js cannot exceed 2³¹ ms, and
 * a failed renewal is retried by then.
 */
const LOOK_MS = 3600 * 1000;

/**
 * Returns the host names of the listener: the configured ones, and those of its address, which
 * include the local names if it is a wildcard or loopback. The first one is in the URL for agents.
 */
export const serverHosts = ({ host }: ListenAddress, hostnames: readonly string[]): readonly string[] => {
  const own = WILDCARDS.includes(host) ? hostname().toLowerCase() : host;
  const local = own !== host || isLoopback(host) ? LOCAL_NAMES : [];
  return [...new Set([...hostnames, own, ...local])];
};

const MIN_VERSION = 'TLSv1.2';

/** Creates the certificate of the agents' listener, which is renewed before it expires. */
export const createServerCertificate = async (options: ServerCertificateOptions) => {
  const { authority, given, hosts, clock, logger, validMs } = options;
  const make = async (): Promise<KeyPair & { readonly renewAt: number }> => {
    const now = clock.now().getTime();
    const validity = { notBefore: new Date(now - HUB_BACKDATE_MS), notAfter: new Date(now + validMs) };
    return { ...(await authority.issueServer(hosts, validity)), renewAt: now + (validMs * 2) / 3 };
  };
  let current = given === undefined ? await make() : { ...given, renewAt: Number.POSITIVE_INFINITY };
  // An issued certificate is sent with the CA, so that clients get the whole chain.
  const context = (): SecureContextOptions => ({
    cert: given === undefined ? `${current.cert}${authority.bundle}` : current.cert,
    key: current.key,
    // Only this CA authenticates agents, whatever the machine trusts.
    ca: authority.bundle,
    minVersion: MIN_VERSION,
  });
  const renew = async (server: SecureServer): Promise<void> => {
    try {
      current = await make();
      server.setSecureContext(context());
      logger.info('certificate of the agents listener renewed');
    } catch (err) {
      logger.error({ err }, 'certificate of the agents listener cannot be renewed');
    }
  };
  return {
    context,
    expires: (): Date => new X509Certificate(current.cert).validToDate,
    /** Renews the certificate before it expires, until aborted. */
    run: async (server: SecureServer, signal: AbortSignal): Promise<void> => {
      while (!signal.aborted) {
        const waitMs = Math.min(LOOK_MS, Math.max(1_000, current.renewAt - clock.now().getTime()));
        await clock.sleep(waitMs, signal).catch(() => undefined);
        if (!signal.aborted && clock.now().getTime() >= current.renewAt) await renew(server);
      }
    },
  };
};

/** Certificate of the agents' listener: a given one, or one that the hub's CA renews. */
export type ServerCertificate = Awaited<ReturnType<typeof createServerCertificate>>;

/** Whether a socket is a TLS connection. */
export const isTls = (socket: unknown): socket is TLSSocket => typeof socket === 'object' && socket !== null && 'encrypted' in socket;
