import { mkdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { type HubHarness, openHubHarness } from './hub-harness.ts';
import { clusterFile, policyFile } from './policy-files.ts';

/** Credentials of the Git server of a {@link BranchBench}. */
export const CREDENTIALS = { username: 'git', password: 'very-secret-password' };

/** Files of the followed branch. */
export const FILES = {
  'clusters/eu.yaml': clusterFile('eu', ['eu-west-1', 'eu-central-1']),
  'clusters/us.yaml': clusterFile('us', ['us-east-1']),
  'policies/finance.yaml': policyFile('finance', ['eu-west-1', 'eu-central-1']),
  'policies/hr.yaml': policyFile('hr'),
};
/** A change of them that breaks pods. */
export const TIGHT = { 'policies/finance.yaml': policyFile('finance') };

const isPack = (request: IncomingMessage): boolean =>
  request.method === 'POST' && request.url?.endsWith('/git-upload-pack') === true && request.headers['git-protocol'] === undefined;
const isListing = (request: IncomingMessage): boolean => request.method === 'POST' && request.headers['git-protocol'] === 'version=2';

/** Calls of the Git server, and what is done before the next pack. */
interface GitCalls {
  listings: number;
  beforePack: (() => Promise<void>) | undefined;
}

/** A real Git server with branches beside main, which a test may hold back. */
export class BranchBench {
  readonly hubs: HubHarness;
  readonly #calls: GitCalls;

  private constructor(hubs: HubHarness, calls: GitCalls) {
    this.hubs = hubs;
    this.#calls = calls;
  }

  static async open(): Promise<BranchBench> {
    const calls: GitCalls = { listings: 0, beforePack: undefined };
    const onRequest = async (request: IncomingMessage): Promise<void> => {
      if (isListing(request)) calls.listings += 1;
      if (!isPack(request)) return;
      const act = calls.beforePack;
      calls.beforePack = undefined;
      await act?.();
    };
    return new BranchBench(await openHubHarness({ credentials: { ...CREDENTIALS }, onRequest }), calls);
  }

  /** Lists of refs that were asked for. */
  get listings(): number {
    return this.#calls.listings;
  }

  /** Runs an act once, before the next answer with a pack. */
  beforePack(act: () => Promise<void>): void {
    this.#calls.beforePack = act;
  }

  /** Holds the next answer with a pack. @returns when it is asked for, and what lets it go */
  holdPack(): { readonly asked: Promise<void>; readonly release: () => void } {
    const [held, asked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    this.beforePack(() => {
      asked.resolve();
      return held.promise;
    });
    return { asked: asked.promise, release: () => held.resolve() };
  }

  git(...args: string[]): Promise<string> {
    return this.hubs.repository.git(...args);
  }

  /** Commits files to the branch that is checked out. @returns the commit */
  async commit(files: Readonly<Record<string, string>>, message: string): Promise<string> {
    for (const [path, text] of Object.entries(files)) {
      const file = join(this.hubs.repository.folder, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    await this.git('add', '--all');
    await this.git('commit', '--quiet', '--allow-empty', '--message', message);
    return this.git('rev-parse', 'HEAD');
  }

  /** Pushes a branch of one commit beyond main; locally it is `work`. @returns the commit */
  async push(name: string, files: Readonly<Record<string, string>>, message = `on ${name}`): Promise<string> {
    await this.git('checkout', '--quiet', '-B', 'work', 'main');
    const revision = await this.commit(files, message);
    await this.git('push', '--quiet', '--force', 'origin', `HEAD:refs/heads/${name}`);
    await this.git('checkout', '--quiet', 'main');
    return revision;
  }
}
