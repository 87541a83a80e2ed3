import { spawn } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Parses the header of a CGI response (RFC 3875, section 6). */
const parseCgiHeader = (header: string): { status: number; headers: [string, string][] } => {
  const lines = header.split(/\r?\n/).flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()]];
  });
  const status = lines.find(([name]) => name.toLowerCase() === 'status')?.[1];
  return { status: Number.parseInt(status ?? '200', 10), headers: lines.filter(([name]) => name.toLowerCase() !== 'status') };
};

/** Forwards a CGI response: parses the header and passes the body through. */
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

/** Repositories to serve, and the caller. */
export interface GitBackendOptions {
  /** Folder that contains the repositories. */
  readonly root: string;
  /** Path below the root, such as `/policies.git/info/refs`. Default: that of the request. */
  readonly path?: string;
  /** Name of the user who pushes; undefined: as configured in the repository. */
  readonly user?: string;
  /** Environment of git, including PATH. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Answers a request of Git's smart HTTP protocol with `git http-backend`
 * (https://git-scm.com/docs/git-http-backend).
 */
export const answerByGit = (
  request: IncomingMessage,
  response: ServerResponse,
  { root, path, user = '', env }: GitBackendOptions,
): void => {
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
