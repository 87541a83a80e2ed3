import { mkdir } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { answerByGit } from '@fso/hub/git-backend';
import { runMark } from '../processes.ts';
import { runGit } from './git-repository.ts';

/** Settings of the demo's Git server. */
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

/** Git server over HTTP, for fetches and pushes of this machine. */
export interface GitServer {
  readonly port: number;
  url(repository: string): string;
  /** Makes an empty bare repository that may be pushed to. */
  create(repository: string): Promise<void>;
  stop(): Promise<void>;
}

const isPush = (request: IncomingMessage): boolean => request.method === 'POST' && request.url?.endsWith('/git-receive-pack') === true;

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
      // Pushes are on for every caller that the server lets in.
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
