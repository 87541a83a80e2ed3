import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CliLoginView, ProblemDetails } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';

const WAIT_MS = 300_000;

const random = (): string => randomBytes(32).toString('base64url');

const OPENERS: Readonly<Record<string, readonly [string, ...string[]]>> = { darwin: ['open'], win32: ['explorer'] };

/** Opens the browser. Errors are ignored, because the link was printed too. */
const openBrowser = (url: string): void => {
  const [program, ...args] = OPENERS[process.platform] ?? ['xdg-open'];
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => undefined);
  child.unref();
};

const answer = (response: ServerResponse, status: number, text: string): void => {
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store', Connection: 'close' };
  response.writeHead(status, headers).end(`${text}\n`);
};

interface CodeListener {
  readonly port: number;
  readonly code: Promise<string>;
  close(): void;
}

/**
 * Waits on a local port for the browser to bring the code (RFC 8252, 7.3). Requests with another
 * state are ignored.
 */
const waitForCode = async (state: string): Promise<CodeListener> => {
  const server = createServer();
  const code = new Promise<string>((resolve, reject) => {
    const fail = (): void =>
      reject(new CliError(`nobody allowed it within ${WAIT_MS / 60_000} minutes; on a machine without a browser use --with-token`));
    const timer = setTimeout(fail, WAIT_MS);
    server.once('close', () => clearTimeout(timer));
    server.on('request', (request, response) => {
      const { searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
      const given = searchParams.get('code');
      if (request.method !== 'GET' || given === null || searchParams.get('state') !== state)
        return answer(response, 404, 'This is not the answer that fso login waits for.');
      answer(response, 200, 'fso is logged in. You can close this page.');
      resolve(given);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { port: (server.address() as AddressInfo).port, code, close };
};

const problemOf = async (response: Response): Promise<string> => {
  const problem = ProblemDetails.safeParse(await response.json().catch(() => undefined));
  return problem.data?.detail ?? `the server answered ${response.status}; is it a hub of this version?`;
};

const ask = async (server: string, path: string, init: RequestInit = {}): Promise<Response> => {
  try {
    return await fetch(server.replace(/\/+$/, '') + path, { ...init, redirect: 'manual' });
  } catch {
    throw new CliError(`no hub answers at ${server}`);
  }
};

const exchange = async (server: string, code: string, verifier: string): Promise<string> => {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/json' };
  const response = await ask(server, '/auth/cli/token', { method: 'POST', headers, body: JSON.stringify({ code, verifier }) });
  if (!response.ok) throw new CliError(await problemOf(response));
  return CliLoginView.parse(await response.json()).token;
};

/** Logs a person in by the browser. @returns a token for the hub, which ends with the login */
export const browserLogin = async (context: Context): Promise<string> => {
  const { server } = context;
  const [state, verifier] = [random(), random()];
  const waiting = await waitForCode(state);
  try {
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const path = `/auth/cli?${new URLSearchParams({ port: String(waiting.port), challenge, state })}`;
    // Requested here first, so that the error of a hub without a provider appears here and not in
    // the browser.
    const first = await ask(server, path);
    if (first.status !== 302) throw new CliError(`${await problemOf(first)} fso login --with-token keeps one.`);
    const url = server.replace(/\/+$/, '') + path;
    context.progress(`Log in with your browser:\n  ${url}\n`);
    if (context.interactive) openBrowser(url);
    return await exchange(server, await waiting.code, verifier);
  } finally {
    waiting.close();
  }
};
