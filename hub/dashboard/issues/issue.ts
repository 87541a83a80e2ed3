/** The page that shows more of an issue, with its filters. */
export type IssueTarget =
  | {
      readonly page: 'policies';
      readonly search: { readonly phase?: 'Failed' | 'Pending' | 'Expired'; readonly expiring?: 'true'; readonly sort?: string };
    }
  | {
      readonly page: 'clusters';
      readonly search: {
        readonly connection?: 'Disconnected' | 'NeverSeen' | 'Connected';
        readonly inSync?: 'false';
        readonly observed?: 'false';
        readonly tampered?: 'true';
        readonly refusing?: 'true';
        readonly locksReady?: 'false';
        readonly sort?: string;
      };
    }
  | { readonly page: 'compliance'; readonly search: { readonly action?: 'deny' } }
  | { readonly page: 'verification' }
  | { readonly page: 'cluster'; readonly name: string }
  | { readonly page: 'commit'; readonly revision: string };

/** Something that is wrong with the fleet, or with one cluster. */
export interface Issue {
  /** Unique within a list of issues. */
  readonly key: string;
  readonly level: 'danger' | 'warning' | 'info';
  readonly title: string;
  readonly detail?: string;
  /** Since when, RFC 3339. */
  readonly since?: string | null;
  readonly target?: IssueTarget;
}

const RANK: Readonly<Record<Issue['level'], number>> = { danger: 0, warning: 1, info: 2 };

/** @returns the worst first; issues of one level keep their order */
export const sortIssues = (issues: readonly Issue[]): Issue[] => issues.toSorted((a, b) => RANK[a.level] - RANK[b.level]);
