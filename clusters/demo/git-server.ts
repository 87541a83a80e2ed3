import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { answerByGit } from '@fso/hub/git-backend';
import { runMark } from '../processes.ts';
import { runGit } from './git-repository.ts';

/** Settings of the demo's Git server. */
export interface GitServerOptions {
  /** Folder of the bare repositories; created if absent. */
  readonly root: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Basic authentication for every request. The password may be changed while the server runs. */
  readonly credentials?: { readonly username: string; password: string };
  /**
   * Called before each request is handled. A test may delay the request, or cut it by destroying
   * the response.
   */
  readonly onRequest?: (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;
  /** Called after each push, like the webhooks of a hosting service. */
  readonly onPush?: () => void;
}

/** Git server over HTTP, for fetches and pushes on this machine. */
export interface GitServer {
  readonly port: number;
  url(repository: string): string;
  /** Creates an empty bare repository that accepts pushes. */
  create(repository: string): Promise<void>;
  stop(): Promise<void>;
}

const isPush = (request: IncomingMessage): boolean => request.method === 'POST' && request.url?.endsWith('/git-receive-pack') === true;

/**
 * Starts a Git server over smart HTTP for the demo and tests. The repositories are plain bare ones,
 * and git itself speaks the protocol.
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
      // All callers that the server admits may push.
      answerByGit(request, response, { root, user: 'demo', env: { PATH: process.env['PATH'], ...runMark() } });
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
