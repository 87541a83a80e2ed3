import { Agent, type AgentOptions } from 'node:https';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { type Secret, type Secrets, secretText } from '../program/secrets.ts';
import { nodeHttp } from './http-server.ts';

/** HTTP proxy, with the names of variables that Node.js and other programs use. */
export interface ProxyConfig {
  /** http:// or https:// URL, with user and password if the proxy requires them. */
  readonly HTTPS_PROXY: Secret;
  readonly NO_PROXY: string;
}

/** Hosts that are always reached directly: this machine, and Services of the cluster. */
const DIRECT = ['localhost', '127.0.0.1', '::1', '.svc', '.cluster.local'];

const isProxyUrl = (text: string): boolean => ['http:', 'https:'].includes(URL.parse(text)?.protocol ?? '');

/**
 * Settings of the proxy, for the schema of a program's environment. Errors do not quote the URL,
 * which may contain a password.
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

/** Reads the proxy from its settings. @returns undefined without a proxy */
export const readProxy = ({ NO_PROXY }: { readonly NO_PROXY?: string | undefined }, secrets: Secrets): ProxyConfig | undefined => {
  const url = secrets.get('HTTPS_PROXY');
  return url === undefined ? undefined : { HTTPS_PROXY: url, NO_PROXY: [...DIRECT, ...(NO_PROXY?.split(',') ?? [])].join(',') };
};

/** Current proxy in the form that Node.js expects. */
const environmentOf = ({ HTTPS_PROXY, NO_PROXY }: ProxyConfig): { HTTPS_PROXY: string; NO_PROXY: string } => ({
  HTTPS_PROXY: secretText(HTTPS_PROXY),
  NO_PROXY,
});

/**
 * Creates an agent that keeps the connections of https requests. Through a proxy it opens a tunnel
 * for each, which `timeout` also limits, because a request aborted before it has a tunnel does not
 * report that. The proxy's URL is read once.
 */
export const createTlsAgent = (proxy: ProxyConfig | undefined, options: AgentOptions = {}): Agent =>
  new Agent({ ...options, ...(proxy && { proxyEnv: environmentOf(proxy) }) });

/** Provides agents like {@link createTlsAgent} that follow changes of the proxy's URL. */
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

  /** Agent for the next request. */
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

/**
 * Interval of checks of the proxy's URL for `fetch`, in ms, which does not follow changes itself.
 */
const LOOK_MS = 10_000;

/**
 * Sends requests by `fetch` through the proxy, and follows changes of its URL until the signal
 * aborts.
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
