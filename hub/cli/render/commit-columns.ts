import type { ClusterSteps, CommitSummary } from '@fso/shared/api';
import type { Column } from './table.ts';
import { age, shortRevision } from './text.ts';

/** `1.2s`, from one time to another; `-` for what has not come. */
export const after = (start: string, end: string | null): string =>
  end === null ? '-' : `${((Date.parse(end) - Date.parse(start)) / 1000).toFixed(1)}s`;

export const commitColumns = (now: Date): Column<CommitSummary>[] => [
  { title: 'REVISION', value: ({ commit }) => shortRevision(commit.revision) },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'AGE', value: ({ noticed }) => age(noticed, now) },
  { title: 'ENFORCED-AFTER', value: ({ enforcementMs }) => (enforcementMs === null ? '-' : `${(enforcementMs / 1000).toFixed(1)}s`) },
  { title: 'POLICIES', value: ({ policies }) => `+${policies.added} ~${policies.changed} -${policies.removed}` },
  { title: 'PROVEN', value: ({ clusters }) => `${clusters.proven}/${clusters.total}` },
  { title: 'REFUSED', value: ({ clusters }) => String(clusters.refused) },
  { title: 'VERIFICATION', value: ({ verification }) => verification?.state ?? '-', wide: true },
  { title: 'AUTHOR', value: ({ commit }) => commit.author, wide: true },
  { title: 'SUBJECT', value: ({ commit }) => commit.subject },
];

/** @param noticed what the times count from */
export const clusterStepColumns = (noticed: string): Column<ClusterSteps>[] => [
  { title: 'CLUSTER', value: ({ cluster }) => cluster },
  { title: 'OFFERED', value: ({ offered }) => after(noticed, offered) },
  { title: 'ACCEPTED', value: ({ accepted }) => after(noticed, accepted) },
  { title: 'WRITTEN', value: ({ written }) => after(noticed, written) },
  { title: 'PROVEN', value: ({ proven }) => after(noticed, proven) },
  { title: 'REFUSED', value: ({ refused }) => refused?.reasons[0]?.reason ?? (refused === null ? '-' : 'yes') },
];
