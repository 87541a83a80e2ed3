import { eventually } from '../harness/waiting.ts';
import type { GiteaUser } from './gitea.ts';
import { CHECK, REPOSITORY } from './gitea-world.ts';

export interface Comment {
  readonly id: number;
  readonly body: string;
  readonly user: { readonly id: number; readonly login: string };
}

interface Status {
  readonly context: string;
  readonly status: string;
}

/** A pull request of the policy repository, as one user sees it. */
export class PullRequest {
  readonly number: number;
  readonly #user: GiteaUser;

  constructor(user: GiteaUser, number: number) {
    this.#user = user;
    this.number = number;
  }

  /** @param head a branch, or `owner:branch` of a fork */
  static async open(user: GiteaUser, head: string, title = 'Change policies'): Promise<PullRequest> {
    const { number } = await user.call<{ number: number }>('POST', `repos/${REPOSITORY}/pulls`, { head, base: 'main', title });
    return new PullRequest(user, number);
  }

  /** The one that Gitea made of a push to `refs/for/main`. */
  static async withHead(user: GiteaUser, revision: string): Promise<PullRequest> {
    const open = await user.call<readonly { readonly number: number; readonly head: { readonly sha: string } }[]>(
      'GET',
      `repos/${REPOSITORY}/pulls`,
    );
    const found = open.find(({ head }) => head.sha === revision);
    if (found === undefined) throw new Error(`no pull request has the head ${revision}`);
    return new PullRequest(user, found.number);
  }

  comment(user: GiteaUser, body: string): Promise<Comment> {
    return user.call<Comment>('POST', `${this.#issue}/comments`, { body });
  }

  comments(): Promise<readonly Comment[]> {
    return this.#user.call<readonly Comment[]>('GET', `${this.#issue}/comments`);
  }

  /** Merges it. @returns what Gitea answers */
  merge(user: GiteaUser): Promise<Response> {
    return user.send('POST', `repos/${REPOSITORY}/pulls/${this.number}/merge`, { Do: 'merge' });
  }

  /** Waits for the end of the check of a commit. @returns `success`, `failure` or `skipped` */
  checked(revision: string): Promise<string> {
    return eventually(async () => {
      const { statuses } = await this.#user.call<{ readonly statuses: readonly Status[] | null }>(
        'GET',
        `repos/${REPOSITORY}/commits/${revision}/status`,
      );
      const status = statuses?.find(({ context }) => context === CHECK)?.status;
      return status !== 'pending' && status;
    });
  }

  get #issue(): string {
    return `repos/${REPOSITORY}/issues/${this.number}`;
  }
}
