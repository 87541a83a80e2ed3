import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join, resolve } from 'node:path';
import { shutdownSignal, untilAborted } from '@fso/shared/runtime';
import { gitEnvironment } from '../../client/environment.ts';
import type { Context } from '../../context.ts';
import { CliError } from '../../errors.ts';
import { answerByGit } from './git-backend.ts';

/** Address of the Git server of a trial. */
export interface ServeOptions {
  readonly address: string;
  readonly port: number;
}

const LIMITS = { headersTimeout: 10_000, requestTimeout: 60_000, connectionsCheckingInterval: 2_000 };
const MAX_CONNECTIONS = 64;
/** Maximum number of concurrent fetches, each of which is a process. */
const MAX_FETCHES = 8;

/** Running Git server of a trial. */
export interface TrialServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Returns the path for git of a fetch request; undefined for all other requests, including pushes.
 */
const pathOf = (request: IncomingMessage, name: string): string | undefined => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://git.invalid');
  const base = `/${name}`;
  if (request.method === 'GET' && pathname === `${base}/info/refs` && searchParams.get('service') === 'git-upload-pack')
    return '/.git/info/refs';
  return request.method === 'POST' && pathname === `${base}/git-upload-pack` ? '/.git/git-upload-pack' : undefined;
};

/**
 * Serves a working copy read-only over Git's smart HTTP protocol. For trials: without TLS, to
 * everyone who can reach the address.
 *
 * @throws CliError if the folder is no repository, or the address cannot be used
 */
export const startTrialServer = async (folder: string, { address, port }: ServeOptions, env: NodeJS.ProcessEnv): Promise<TrialServer> => {
  const root = resolve(folder);
  const name = encodeURIComponent(basename(root));
  if (!existsSync(join(root, '.git')))
    throw new CliError(`${root} is not the root of a Git repository: make one with fso init, or git init`);
  // The repository may belong to another user, for example because of sudo.
  const trusted = { GIT_CONFIG_COUNT: '1', GIT_CONFIG_KEY_0: 'safe.directory', GIT_CONFIG_VALUE_0: '*' };
  let fetches = 0;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const path = pathOf(request, name);
    if (path === undefined) return void response.writeHead(404).end('This is a repository to fetch from, and nothing else.\n');
    if (fetches >= MAX_FETCHES) return void response.writeHead(503, { 'Retry-After': '1' }).end();
    fetches += 1;
    response.once('close', () => {
      fetches -= 1;
    });
    answerByGit(request, response, { root, path, env: gitEnvironment(env, trusted) });
  };
  const server = createServer(LIMITS, answer);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((done, failed) => {
    server.once('error', (error) => failed(new CliError(`cannot listen on ${address}: ${error.message}`)));
    server.listen(port, address, done);
  });
  const host = address.includes(':') ? `[${address}]` : address;
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}/${name}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
};

/** Text with the next steps, for clusters that can fetch from the URL. */
const nextSteps = (url: string): string => `Next, in another terminal:
  kubectl create namespace fso
  kubectl -n fso create secret generic fso-api --from-literal=token="$(openssl rand -hex 32)"
  helm install fso-hub deploy/charts/fso-hub --namespace fso --set global.imageRegistry=localhost,git.url=${url},access.apiTokenSecret.name=fso-api
`;

/** Runs `fso serve-git` until Ctrl-C. */
export const serveGit = async (context: Context, folder: string, options: ServeOptions): Promise<void> => {
  const server = await startTrialServer(folder, options, context.io.env);
  const ended = shutdownSignal();
  context.progress(`${resolve(folder)} can be fetched from ${server.url}
For trials: everybody who reaches this address reads it, without TLS; commits are made in the folder. Ctrl-C ends it.
${nextSteps(server.url)}`);
  await untilAborted(ended);
  await server.close();
};
