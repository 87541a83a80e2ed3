import { X509Certificate } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { ListenAddress, Runtime } from '@fso/shared/runtime';
import type { KeyedStore } from '../ledger/index.ts';
import { type AuthenticateAgent, authenticateByIdentity } from './authenticate-agent.ts';
import { type Authority, openAuthority, ownCaPaths } from './authority.ts';
import { createEnrolmentListener, DEFAULT_REQUEST_LIMITS, type RequestLimits } from './enrolment-listener.ts';
import { createEnrolmentStore } from './enrolment-store.ts';
import { DEFAULT_IDENTITY_LIMITS, Identity, type IdentityEvent, type IdentityLimits, type IdentityState } from './identity.ts';
import { createServerCertificate, type ServerCertificate, serverHosts } from './server-certificate.ts';
import type { KeyPair } from './x509.ts';

export interface OpenIdentityOptions {
  /** The CA is kept here. */
  readonly dataDir: string;
  /** A CA of the operator's; absent: the hub's own. */
  readonly ca: KeyPair | undefined;
  /** Certificate of the listener; absent: the CA issues it. */
  readonly agentTls: KeyPair | undefined;
  readonly agentListen: ListenAddress;
  readonly hostnames: readonly string[];
  /** Static tokens by cluster. */
  readonly agentTokens: ReadonlyMap<string, string>;
  readonly limits?: Partial<IdentityLimits & RequestLimits & { readonly serverCertificateMs: number }> | undefined;
}

export interface OpenIdentityDeps extends Pick<Runtime, 'clock' | 'logger'> {
  readonly onEvent: (event: IdentityEvent) => Promise<void>;
  readonly records: KeyedStore;
  /** Default: this hub is alone, and knows everything. */
  readonly state?: IdentityState | undefined;
}

/** Parts of the agents' listener that need the enrolment of agents. */
export interface AgentListenerIdentity {
  readonly identity: Identity;
  readonly authenticate: AuthenticateAgent;
  readonly listener: RequestListener;
  readonly certificate: ServerCertificate;
  /** Names under which the listener can be called; the first one is in the URL that agents get. */
  readonly hosts: readonly string[];
  /** Returns the expiry of the listener's certificate and of the CA. */
  readonly expiries: () => { readonly server: Date; readonly ca: Date };
}

/** A certificate of the hub. */
export interface HubCertificate {
  readonly of: 'server' | 'ca';
  readonly expires: Date;
  /** Whether the hub renews it by itself. */
  readonly isRenewed: boolean;
}

/**
 * Returns the certificates of the agents' listener as they are now.
 *
 * @param given certificate of the operator's for it
 */
export const certificatesOf = (
  given: Pick<KeyPair, 'cert'> | undefined,
  identity: AgentListenerIdentity | undefined,
): readonly HubCertificate[] => {
  const server = identity?.expiries().server ?? (given && new X509Certificate(given.cert).validToDate);
  const ca = identity?.expiries().ca;
  return [
    ...(server === undefined ? [] : [{ of: 'server' as const, expires: server, isRenewed: given === undefined }]),
    ...(ca === undefined ? [] : [{ of: 'ca' as const, expires: ca, isRenewed: false }]),
  ];
};

const SERVER_CERTIFICATE_MS = 7 * 24 * 3600 * 1000;
const CA_WARNING_MS = 180 * 24 * 3600 * 1000;

const warnOfExpiry = ({ expires }: Authority, { clock, logger }: OpenIdentityDeps): void => {
  if (expires.getTime() - clock.now().getTime() < CA_WARNING_MS)
    logger.warn({ expires: expires.toISOString() }, 'the CA of the agents expires soon');
};

/**
 * Opens the CA and everything that the agents' listener needs for it. @throws ConfigError when the
 * files in the folder cannot be used
 */
export const openIdentity = async (options: OpenIdentityOptions, deps: OpenIdentityDeps): Promise<AgentListenerIdentity> => {
  const { clock, logger, onEvent, records } = deps;
  const { serverCertificateMs = SERVER_CERTIFICATE_MS, ...limits } = options.limits ?? {};
  const { folder } = ownCaPaths(options.dataDir);
  const authority = await openAuthority({ folder, given: options.ca, now: clock.now(), records });
  warnOfExpiry(authority, deps);
  const identity = new Identity({
    authority,
    store: createEnrolmentStore(records),
    clock,
    limits: { ...DEFAULT_IDENTITY_LIMITS, ...limits },
    onEvent,
    state: deps.state,
  });
  const hosts = serverHosts(options.agentListen, options.hostnames);
  const certificate = await createServerCertificate({
    authority,
    given: options.agentTls,
    hosts,
    clock,
    logger,
    validMs: serverCertificateMs,
  });
  return {
    identity,
    authenticate: authenticateByIdentity({ identity, authority, clock, tokens: options.agentTokens }),
    listener: createEnrolmentListener({ identity, authority, clock, logger, limits: { ...DEFAULT_REQUEST_LIMITS, ...limits } }),
    certificate,
    hosts,
    expiries: () => ({ server: certificate.expires(), ca: authority.expires }),
  };
};
