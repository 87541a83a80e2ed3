import { readFileSync } from 'node:fs';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { LedgerError } from '../ledger-error.ts';

const Holder = z.object({ host: z.string(), pid: z.int(), started: z.string() });
type Holder = z.infer<typeof Holder>;

export interface FolderLock {
  release(): Promise<void>;
}

const FILE = 'lock';
const TOUCH_MS = 2_000;
/** A holder on another machine that has not touched its file for this long is gone. */
const STALE_MS = 10_000;
const POLL_MS = 500;

/** When a process began, so that a process that was given the number of a dead one is told apart; '' where that cannot be read. */
const startOf = (pid: number): string => {
  try {
    // proc(5): field 22 of stat, counted behind the name in parentheses.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
};

const isRunning = ({ pid, started }: Holder): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'ESRCH') return false;
  }
  return startOf(pid) === started;
};

const readHolder = async (path: string): Promise<Holder | undefined> => {
  const parsed = Holder.safeParse(
    await readFile(path, 'utf8')
      .then(JSON.parse)
      .catch(() => undefined),
  );
  return parsed.success ? parsed.data : undefined;
};

const ageOf = async (path: string): Promise<number> => Date.now() - (await stat(path).catch(() => ({ mtimeMs: 0 }))).mtimeMs;

/** Whether the one who took the lock is gone. On this machine its process says so; elsewhere the age of the file, which is waited for. */
const isAbandoned = async (path: string): Promise<boolean> => {
  const holder = await readHolder(path);
  if (holder !== undefined && holder.host === hostname()) return !isRunning(holder);
  for (let waited = 0; waited <= STALE_MS + TOUCH_MS; waited += POLL_MS) {
    const age = await ageOf(path);
    if (age > STALE_MS) return true;
    // Touched while being watched: somebody lives there.
    if (waited > TOUCH_MS && age < TOUCH_MS) return false;
    await delay(POLL_MS);
  }
  return false;
};

const take = async (path: string): Promise<boolean> => {
  try {
    const file = await open(path, 'wx', 0o600);
    const holder: Holder = { host: hostname(), pid: process.pid, started: startOf(process.pid) };
    await file.writeFile(JSON.stringify(holder));
    await file.close();
    return true;
  } catch (error) {
    if (Reflect.get(Object(error), 'code') === 'EEXIST') return false;
    throw error;
  }
};

/** @throws LedgerError when somebody else has the folder */
export const lockFolder = async (folder: string): Promise<FolderLock> => {
  const path = join(folder, FILE);
  const refuse = (): never => {
    throw new LedgerError(
      `another hub has the ledger in ${folder} open: stop it, give this one another FSO_DATA_DIR, or let both use one PostgreSQL server (DATABASE_URL)`,
    );
  };
  if (!(await take(path))) {
    if (!(await isAbandoned(path))) refuse();
    await rm(path, { force: true });
    if (!(await take(path))) refuse();
  }
  const timer = setInterval(() => void utimes(path, new Date(), new Date()).catch(() => undefined), TOUCH_MS);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      await rm(path, { force: true });
    },
  };
};
