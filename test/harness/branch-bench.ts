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
/** Change of these files that breaks pods. */
export const TIGHT = { 'policies/finance.yaml': policyFile('finance') };

const isPack = (request: IncomingMessage): boolean =>
  request.method === 'POST' && request.url?.endsWith('/git-upload-pack') === true && request.headers['git-protocol'] === undefined;
const isListing = (request: IncomingMessage): boolean => request.method === 'POST' && request.headers['git-protocol'] === 'version=2';

/** Calls of the Git server, and a function to run before the next pack. */
interface GitCalls {
  listings: number;
  beforePack: (() => Promise<void>) | undefined;
}

/** Real Git server with branches besides main. A test can delay its responses. */
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

  /** Number of requests for the list of refs. */
  get listings(): number {
    return this.#calls.listings;
  }

  /** Runs a function once, before the next response with a pack. */
  beforePack(act: () => Promise<void>): void {
    this.#calls.beforePack = act;
  }

  /**
   * Holds the next response with a pack. @returns a promise of its request, and a function that
   * releases it
   */
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

  /** Commits files to the current branch. @returns the commit id */
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

  /**
   * Pushes a branch that is one commit ahead of main. Locally it is called `work`. @returns the
   * commit id
   */
  async push(name: string, files: Readonly<Record<string, string>>, message = `on ${name}`): Promise<string> {
    await this.git('checkout', '--quiet', '-B', 'work', 'main');
    const revision = await this.commit(files, message);
    await this.git('push', '--quiet', '--force', 'origin', `HEAD:refs/heads/${name}`);
    await this.git('checkout', '--quiet', 'main');
    return revision;
  }
}
