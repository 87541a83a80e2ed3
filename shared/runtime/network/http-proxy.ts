import { Agent, type AgentOptions } from 'node:https';
import { z } from 'zod';
import { nodeHttp } from './http-server.ts';

/** The way out through an HTTP proxy, by the names that Node.js and other programs give it. */
export interface ProxyConfig {
  /** http:// or https:// URL, with user and password where the proxy wants them. */
  readonly HTTPS_PROXY: string;
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

type ProxyVariables = { readonly [Name in keyof typeof PROXY_VARIABLES]?: string | undefined };

/** @returns undefined: there is no proxy */
export const readProxy = ({ HTTPS_PROXY, NO_PROXY }: ProxyVariables): ProxyConfig | undefined =>
  HTTPS_PROXY === undefined ? undefined : { HTTPS_PROXY, NO_PROXY: [...DIRECT, ...(NO_PROXY?.split(',') ?? [])].join(',') };

/**
 * Keeps the connections of https requests. Through a proxy it makes a tunnel for each, which
 * `timeout` bounds as well: a request that is aborted before it has one does not say so.
 */
export const createTlsAgent = (proxy: ProxyConfig | undefined, options: AgentOptions = {}): Agent =>
  new Agent({ ...options, ...(proxy && { proxyEnv: { ...proxy } }) });

/** Sends what this program asks for by `fetch` through the proxy. */
export const useProxyForFetch = (proxy: ProxyConfig | undefined): void => {
  if (proxy !== undefined) nodeHttp.setGlobalProxyFromEnv({ ...proxy });
};
