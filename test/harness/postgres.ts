import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { ProgramEnded } from '../../clusters/demo/programs.ts';
import { freePort } from '../../clusters/local/ports.ts';
import { endProcesses, runMark, startTimeOf, tail } from '../../clusters/processes.ts';
import { installPackages, isRoot } from './debian.ts';
import { HANG_MS, waitFor } from './waiting.ts';

/**
 * Real PostgreSQL server: that of DATABASE_URL, else a private one from installed binaries, else
 * one in a container.
 */
export interface TestPostgres {
  /** Creates an empty database. @returns its URL */
  createDatabase(): Promise<string>;
  /** Kills the whole server with -9; only for a private one. */
  readonly kill: (() => Promise<void>) | undefined;
  /** Restarts a killed server. */
  readonly start: (() => Promise<void>) | undefined;
  stop(): Promise<void>;
}

const run = promisify(execFile);

const binaries = (): string | undefined => {
  const root = '/usr/lib/postgresql';
  const versions = existsSync(root) ? readdirSync(root).filter((version) => existsSync(join(root, version, 'bin/initdb'))) : [];
  const newest = versions.sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? undefined : join(root, newest, 'bin');
};

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Finds a user for the server, which refuses to run as root. `postgres` comes with the package,
 * `nobody` with every system.
 */
const findOwner = async (): Promise<Owner | undefined> => {
  if (!isRoot()) return undefined;
  for (const name of ['postgres', 'nobody']) {
    const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, name]))).catch(() => undefined);
    if (ids !== undefined) return { uid: Number(ids[0]?.stdout), gid: Number(ids[1]?.stdout) };
  }
  throw new Error('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
};

/** @param assertRunning throws if the server has ended */
const untilReady = (url: string, assertRunning: () => void): Promise<void> =>
  waitFor(async () => {
    assertRunning();
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 20_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
    } finally {
      await client.end().catch(() => undefined);
    }
  });

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

const databasesOf = (adminUrl: string) => {
  const made: string[] = [];
  const ask = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: adminUrl });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  };
  return {
    create: async (): Promise<string> => {
      const name = `fso_test_${randomBytes(6).toString('hex')}`;
      await ask(`create database ${name}`);
      made.push(name);
      const url = new URL(adminUrl);
      url.pathname = `/${name}`;
      return url.href;
    },
    dropAll: async (): Promise<void> => {
      for (const name of made) await ask(`drop database if exists ${name} with (force)`);
    },
  };
};

const startPrivate = async (bin: string): Promise<TestPostgres> => {
  const owner = await findOwner();
  const folder = await mkdtemp(join(tmpdir(), 'fso-postgres-'));
  if (owner !== undefined) await chown(folder, owner.uid, owner.gid);
  const password = randomBytes(12).toString('hex');
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, password, { mode: 0o600 });
  if (owner !== undefined) await chown(passwordFile, owner.uid, owner.gid);
  const data = join(folder, 'data');
  const options = { ...owner, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', ...runMark() } };
  await run(join(bin, 'initdb'), ['-D', data, '-U', 'fso', '-A', 'scram-sha-256', '--pwfile', passwordFile, '-E', 'UTF8'], options);
  const port = await freePort();
  const url = `postgresql://fso:${password}@127.0.0.1:${port}/postgres`;
  const log = join(folder, 'server.log');
  let server: ChildProcess | undefined;
  const isRunning = (): boolean => server !== undefined && server.exitCode === null && server.signalCode === null;
  const start = async (): Promise<void> => {
    const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `port=${port}`, '-c', `unix_socket_directories=${folder}`];
    const output = openSync(log, 'a');
    server = spawn(join(bin, 'postgres'), ['-D', data, ...settings], { ...options, stdio: ['ignore', output, output] });
    closeSync(output);
    await untilReady(url, () => {
      if (!isRunning()) throw new ProgramEnded(`PostgreSQL has ended:\n${tail(log, 8)}`);
    });
  };
  const quit = async (): Promise<void> => {
    if (isRunning()) server?.kill('SIGQUIT');
    if (server !== undefined) await exited(server);
  };
  await start();
  return {
    createDatabase: databasesOf(url).create,
    start,
    kill: async () => {
      if (server?.pid === undefined || !isRunning()) return;
      // The processes of its connections would survive for a moment, and commit. A stopped server
      // starts no more of them.
      server.kill('SIGSTOP');
      const all = [...childrenOf(server.pid), server.pid].map((pid) => ({ pid, startTime: startTimeOf(pid) ?? '' }));
      // A server does not start while one of them holds the shared memory.
      await endProcesses(all, 'SIGKILL', HANG_MS);
      await exited(server);
    },
    stop: async () => {
      await quit();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

const startContainer = async (): Promise<TestPostgres> => {
  const password = randomBytes(12).toString('hex');
  const port = await freePort();
  const args = ['run', '--detach', '--rm', '--publish', `127.0.0.1:${port}:5432`, '--env', `POSTGRES_PASSWORD=${password}`, 'postgres:17'];
  const { stdout } = await run('docker', args);
  const url = `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`;
  await untilReady(url, () => undefined);
  return {
    createDatabase: databasesOf(url).create,
    kill: undefined,
    start: undefined,
    stop: async () => {
      await run('docker', ['rm', '--force', stdout.trim()]);
    },
  };
};

const useGiven = (url: string): TestPostgres => {
  const databases = databasesOf(url);
  return { createDatabase: databases.create, kill: undefined, start: undefined, stop: databases.dropAll };
};

/** @throws Error with what to install, if no server is available */
export const startPostgres = async ({ ownServer = false }: { ownServer?: boolean } = {}): Promise<TestPostgres> => {
  const given = process.env['DATABASE_URL'];
  if (given && !ownServer) return useGiven(given);
  if (binaries() === undefined) await installPackages('postgresql');
  const bin = binaries();
  if (bin !== undefined) return startPrivate(bin);
  return startContainer().catch((error: unknown) => {
    throw new Error(
      'These tests need PostgreSQL: set DATABASE_URL to a server where databases may be created, install the package postgresql, or start Docker.',
      { cause: error },
    );
  });
};
