import { Agent, type AgentOptions } from 'node:https';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { type Secret, type Secrets, secretText } from '../program/secrets.ts';
import { nodeHttp } from './http-server.ts';

/** The way out through an HTTP proxy, by the names that Node.js and other programs give it. */
export interface ProxyConfig {
  /** http:// or https:// URL, with user and password where the proxy wants them. */
  readonly HTTPS_PROXY: Secret;
  readonly NO_PROXY: string;
}

/** Hosts that are always reached directly: this machine, and Services of the cluster. */
const DIRECT = ['localhost', '127.0.0.1', '::1', '.svc', '.cluster.local'];

const isProxyUrl = (text: string): boolean => ['http:', 'https:'].includes(URL.parse(text)?.protocol ?? '');

/**
 * The settings of the proxy, for the schema of a program's environment. An error does not quote the
 * URL, which may have a password.
 */
export const PROXY_VARIABLES = {
  HTTPS_PROXY: z.string().refine(isProxyUrl, 'must be an http:// or https:// URL').optional().meta({
    description:
      'URL of an HTTP proxy, with user and password if it wants them, through which https requests leave by CONNECT. The CA of an https:// proxy is in NODE_EXTRA_CA_CERTS.',
    fallback: 'none',
    secret: true,
  }),
  NO_PROXY: z
    .string()
    .max(4096)
    .refine((text) => !text.includes('/'), 'must name hosts or addresses: networks such as 10.0.0.0/8 are not understood')
    .optional()
    .meta({
      description: `Hosts that are reached without it, separated by commas: hub.example.com, .example.com, or with a port. Beside ${DIRECT.join(', ')}.`,
    }),
} as const;

/** Variables of {@link PROXY_VARIABLES} that may be in files. */
export const PROXY_SECRETS: readonly string[] = ['HTTPS_PROXY'];

/** Reads the proxy from its settings. @returns undefined: there is no proxy */
export const readProxy = ({ NO_PROXY }: { readonly NO_PROXY?: string | undefined }, secrets: Secrets): ProxyConfig | undefined => {
  const url = secrets.get('HTTPS_PROXY');
  return url === undefined ? undefined : { HTTPS_PROXY: url, NO_PROXY: [...DIRECT, ...(NO_PROXY?.split(',') ?? [])].join(',') };
};

/** The proxy as it is now, as Node.js takes it. */
const environmentOf = ({ HTTPS_PROXY, NO_PROXY }: ProxyConfig): { HTTPS_PROXY: string; NO_PROXY: string } => ({
  HTTPS_PROXY: secretText(HTTPS_PROXY),
  NO_PROXY,
});

/**
 * Keeps the connections of https requests. Through a proxy it makes a tunnel for each, which
 * `timeout` bounds as well: a request that is aborted before it has one does not say so. The proxy
 * stays the one of this moment.
 */
export const createTlsAgent = (proxy: ProxyConfig | undefined, options: AgentOptions = {}): Agent =>
  new Agent({ ...options, ...(proxy && { proxyEnv: environmentOf(proxy) }) });

/**
 * Keeps the connections of https requests, as {@link createTlsAgent}, and follows the proxy's URL.
 */
export class TlsAgents {
  readonly #proxy: ProxyConfig | undefined;
  readonly #options: AgentOptions;
  #url: string | undefined;
  #agent: Agent;

  constructor(proxy: ProxyConfig | undefined, options: AgentOptions) {
    this.#proxy = proxy;
    this.#options = options;
    this.#url = proxy && secretText(proxy.HTTPS_PROXY);
    this.#agent = createTlsAgent(proxy, options);
  }

  /** The agent for the next request. */
  current(): Agent {
    const url = this.#proxy && secretText(this.#proxy.HTTPS_PROXY);
    if (url !== this.#url) {
      this.#agent.destroy();
      this.#url = url;
      this.#agent = createTlsAgent(this.#proxy, this.#options);
    }
    return this.#agent;
  }

  destroy(): void {
    this.#agent.destroy();
  }
}

/** Time between two looks at the URL of the proxy for `fetch`, which knows none for itself. */
const LOOK_MS = 10_000;

/**
 * Sends what this program asks for by `fetch` through the proxy, and follows its URL until the
 * signal.
 */
export const proxyFetch = async (proxy: ProxyConfig, clock: Clock, signal: AbortSignal): Promise<void> => {
  let current: { readonly url: string; readonly restore: () => void } | undefined;
  while (!signal.aborted) {
    const url = secretText(proxy.HTTPS_PROXY);
    if (url !== current?.url) {
      current?.restore();
      current = { url, restore: nodeHttp.setGlobalProxyFromEnv(environmentOf(proxy)) };
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
  current?.restore();
};
