import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, join, resolve } from 'node:path';
import { shutdownSignal, untilAborted } from '@fso/shared/runtime';
import { gitEnvironment } from '../../client/environment.ts';
import type { Context } from '../../context.ts';
import { CliError } from '../../errors.ts';

/** The header of a CGI answer, RFC 3875 section 6. */
const parseCgiHeader = (header: string): { status: number; headers: [string, string][] } => {
  const lines = header.split(/\r?\n/).flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
  });
  const status = lines.find(([name]) => name.toLowerCase() === 'status')?.[1];
  return { status: Number.parseInt(status ?? '200', 10), headers: lines.filter(([name]) => name.toLowerCase() !== 'status') };
};

/** Passes a CGI answer on: the header is read, the body is not touched. */
const createCgiReader = (response: ServerResponse): ((chunk: Buffer) => void) => {
  let head = Buffer.alloc(0);
  return (chunk) => {
    if (response.headersSent) {
      response.write(chunk);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const end = /\r?\n\r?\n/.exec(head.toString('latin1'));
    if (end === null) return;
    const { status, headers } = parseCgiHeader(head.toString('latin1', 0, end.index));
    response.writeHead(status, headers);
    response.write(head.subarray(end.index + end[0].length));
  };
};

const header = (request: IncomingMessage, name: string): string => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : '';
};

interface GitBackendOptions {
  /** Folder below which the repositories are. */
  readonly root: string;
  /** Path below the root, e.g. `/policies.git/info/refs`. Default: that of the request. */
  readonly path?: string;
  /** Name under which the caller pushes; undefined: as the repository is configured. */
  readonly user?: string;
  /** Environment of git, with PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Answers one request of Git's smart HTTP protocol by `git http-backend`
 * (https://git-scm.com/docs/git-http-backend).
 */
const answerByGit = (request: IncomingMessage, response: ServerResponse, { root, path, user = '', env }: GitBackendOptions): void => {
  const url = new URL(request.url ?? '/', 'http://git.invalid');
  const backend = spawn('git', ['http-backend'], {
    env: {
      ...env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROTOCOL: header(request, 'git-protocol'),
      PATH_INFO: path ?? decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: header(request, 'content-type'),
      CONTENT_LENGTH: header(request, 'content-length'),
      HTTP_CONTENT_ENCODING: header(request, 'content-encoding'),
      REMOTE_USER: user,
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const fail = (): void => void response.destroy();
  backend.on('error', fail);
  backend.stdin.on('error', () => undefined);
  response.on('close', () => backend.kill());
  request.pipe(backend.stdin);
  backend.stdout.on('data', createCgiReader(response));
  backend.stdout.on('end', () => (response.headersSent ? response.end() : fail()));
};

export interface ServeOptions {
  readonly address: string;
  readonly port: number;
}

const LIMITS = { headersTimeout: 10_000, requestTimeout: 60_000, connectionsCheckingInterval: 2_000 };
const MAX_CONNECTIONS = 64;
/** Fetches at a time, each a process. */
const MAX_FETCHES = 8;

export interface TrialServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Returns the path for git of a request of a fetch; undefined for others, pushes too. */
const pathOf = (request: IncomingMessage, name: string): string | undefined => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://git.invalid');
  const base = `/${name}`;
  if (request.method === 'GET' && pathname === `${base}/info/refs` && searchParams.get('service') === 'git-upload-pack')
    return '/.git/info/refs';
  return request.method === 'POST' && pathname === `${base}/git-upload-pack` ? '/.git/git-upload-pack' : undefined;
};

/**
 * Serves a working copy over Git's smart HTTP protocol, to read alone. For trials: without TLS, to
 * everybody who reaches the address.
 *
 * @throws CliError where the folder is no repository, or the address cannot be had
 */
export const startTrialServer = async (folder: string, { address, port }: ServeOptions): Promise<TrialServer> => {
  const root = resolve(folder);
  const name = encodeURIComponent(basename(root));
  if (!existsSync(join(root, '.git')))
    throw new CliError(`${root} is not the root of a Git repository: make one with fso init, or git init`);
  // As its user may have made it with another account, e.g. by sudo.
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
    answerByGit(request, response, { root, path, env: gitEnvironment(trusted) });
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

/** The next steps, once a cluster can fetch from the URL. */
const nextSteps = (url: string): string => `Next, in another terminal:
  kubectl create namespace fso
  kubectl -n fso create secret generic fso-api --from-literal=token="$(openssl rand -hex 32)"
  helm install fso-hub deploy/charts/fso-hub --namespace fso --set global.imageRegistry=localhost,git.url=${url},access.apiTokenSecret.name=fso-api
`;

/** `fso serve-git`, until Ctrl-C. */
export const serveGit = async (context: Context, folder: string, options: ServeOptions): Promise<void> => {
  const ended = shutdownSignal();
  const server = await startTrialServer(folder, options);
  context.progress(`${resolve(folder)} can be fetched from ${server.url}
For trials: everybody who reaches this address reads it, without TLS; commits are made in the folder. Ctrl-C ends it.
${nextSteps(server.url)}`);
  await untilAborted(ended);
  await server.close();
};
