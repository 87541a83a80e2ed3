import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { runMark } from '../processes.ts';
import { runGit } from './git-repository.ts';

export interface GitServerOptions {
  /** Folder of the bare repositories; made when absent. */
  readonly root: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Basic authentication for every request; the password may be changed meanwhile. */
  readonly credentials?: { readonly username: string; password: string };
  /**
   * Called before each request is answered: a test may hold it back, or cut it by destroying the
   * response.
   */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  /** Called after each push, as a hosting service sends its webhooks. */
  readonly onPush?: () => void;
}

export interface GitServer {
  readonly port: number;
  url(repository: string): string;
  /** Makes an empty bare repository that may be pushed to. */
  create(repository: string): Promise<void>;
  stop(): Promise<void>;
}

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

const isPush = (request: IncomingMessage): boolean => request.method === 'POST' && request.url?.endsWith('/git-receive-pack') === true;

/** Runs `git http-backend` for one request (https://git-scm.com/docs/git-http-backend). */
const runBackend = (request: IncomingMessage, response: ServerResponse, root: string): void => {
  const url = new URL(request.url ?? '/', 'http://git.invalid');
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_PROTOCOL: header(request, 'git-protocol'),
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: header(request, 'content-type'),
      CONTENT_LENGTH: header(request, 'content-length'),
      HTTP_CONTENT_ENCODING: header(request, 'content-encoding'),
      // receive-pack is on for every caller that the server lets in.
      REMOTE_USER: 'demo',
      ...runMark(),
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

/**
 * A real Git server over smart HTTP for demo and tests: the repositories are plain bare ones, the
 * protocol is spoken by git itself.
 */
export const startGitServer = async (options: GitServerOptions): Promise<GitServer> => {
  const { root, credentials, onRequest, onPush } = options;
  await mkdir(root, { recursive: true });
  const expected = (): string | undefined =>
    credentials && `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`;

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    await onRequest?.(request, response);
    if (response.destroyed) return;
    if (credentials === undefined || request.headers.authorization === expected()) {
      if (onPush && isPush(request)) response.once('finish', onPush);
      runBackend(request, response, root);
    } else response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="git"' }).end();
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    port,
    url: (repository) => `http://127.0.0.1:${port}/${repository}`,
    create: async (repository) => {
      const path = join(root, repository);
      await runGit(root, ['init', '--quiet', '--bare', '--initial-branch=main', path]);
      await runGit(path, ['config', 'http.receivepack', 'true']);
    },
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
};
