/** A page of the dashboard. */
export interface PageEntry {
  /** Name of its pictures in docs/images. */
  readonly name: string;
  readonly path: string;
  /** Heading of the first level. */
  readonly heading: string;
  /** Height of its pictures; default: that of a desktop window. */
  readonly height?: number;
}

/** The policy, cluster and commit of detail pages. */
export interface PageSubjects {
  /** Its key. */
  readonly policy: string;
  readonly cluster: string;
  readonly commit: { readonly revision: string; readonly subject: string };
}

export const LISTS: readonly PageEntry[] = [
  { name: 'overview', path: '/', heading: 'Overview', height: 1800 },
  { name: 'policies', path: '/policies', heading: 'Policies' },
  { name: 'clusters', path: '/clusters', heading: 'Clusters' },
  { name: 'compliance', path: '/compliance', heading: 'Compliance' },
  { name: 'risks', path: '/compliance/risks', heading: 'Compliance' },
  { name: 'checker', path: '/compliance/checker', heading: 'Compliance' },
  { name: 'report', path: '/compliance/report', heading: 'Compliance' },
  { name: 'alerts', path: '/alerts', heading: 'Alerts' },
  { name: 'activity', path: '/activity', heading: 'Activity' },
  { name: 'audit', path: '/audit', heading: 'Audit log' },
  { name: 'events', path: '/audit/events', heading: 'Audit log' },
  { name: 'verification', path: '/audit/verification', heading: 'Audit log' },
];

/** Pages of one policy, one cluster, one commit. */
export const details = ({ policy, cluster, commit }: PageSubjects): readonly PageEntry[] => [
  { name: 'policy', path: `/policies/${policy}`, heading: policy, height: 1650 },
  { name: 'cluster', path: `/clusters/${cluster}`, heading: cluster, height: 1100 },
  { name: 'commit', path: `/activity/${commit.revision}`, heading: commit.subject, height: 1100 },
];
