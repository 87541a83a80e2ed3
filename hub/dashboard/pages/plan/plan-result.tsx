import {
  acceptNote,
  type ClusterWorkloads,
  ownerRows,
  type Plan,
  planRows,
  planVerdict,
  type TeamWorkloads,
  type WorkloadClass,
  waveRows,
  wavesNote,
} from '@fso/shared/effects/portable';
import { count, listText } from '@fso/shared/text';
import { Alert, type AlertProps } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { ClusterLink, RevisionLink } from '../../components/links.tsx';
import { type Column, VirtualTable } from '../../components/tables/virtual-table.tsx';
import { Heading } from '../../components/text.tsx';
import { formatNumber } from '../../lib/format.ts';
import { PlanMap } from './plan-map.tsx';

const VARIANTS: Readonly<Record<Plan['result'], NonNullable<AlertProps['variant']>>> = {
  Breaks: 'danger',
  NothingBreaks: 'success',
  Accepted: 'success',
  NotAllLookedAt: 'warning',
  NotAllAnswered: 'warning',
  NothingLookedAt: 'warning',
};

/**
 * Counts of owners of one class in a cluster. Users who see a part of the cluster get only the
 * changes.
 */
const Class = ({ now, after, begins, ends }: WorkloadClass): ReactNode => (
  <div>
    {now === null || after === null ? null : (
      <div>
        {formatNumber(now)} → {formatNumber(after)}
      </div>
    )}
    <div className={begins > 0 ? '' : 'fso-muted'}>
      {formatNumber(begins)} begin, {formatNumber(ends)} end
    </div>
  </div>
);

const coverageText = ({ coverage, omitted }: ClusterWorkloads): string => {
  if (coverage === 'None') return 'None: the cluster has no namespace whose rule changes';
  if (coverage === 'Whole') return 'Whole';
  return `Part: ${omitted === null ? 'some owners' : count(omitted, 'owner')} not judged`;
};

const lookedAtText = ({ lookedAt }: ClusterWorkloads): string =>
  lookedAt === null
    ? ''
    : `${count(lookedAt.owners, 'owner')} and ${count(lookedAt.pods, 'pod')} in ${count(lookedAt.namespaces, 'namespace')}`;

const CLUSTER_COLUMNS: readonly Column<ClusterWorkloads>[] = [
  { title: 'Cluster', width: 20, cell: ({ cluster }) => <ClusterLink cluster={cluster} /> },
  { title: 'Run outside', width: 15, cell: ({ outside }) => <Class {...outside} /> },
  { title: 'Refused at next start', width: 15, cell: ({ refused }) => <Class {...refused} /> },
  { title: 'Would stay pending', width: 15, cell: ({ pending }) => <Class {...pending} /> },
  {
    title: 'Coverage',
    cell: (cluster) => (
      <div>
        {coverageText(cluster)}
        <div className="fso-muted">{lookedAtText(cluster)}</div>
      </div>
    ),
  },
];

const NotAnswered = ({ notAnswered }: Pick<NonNullable<Plan['workloads']>, 'notAnswered'>) =>
  notAnswered.length === 0 ? null : (
    <Alert isInline variant="warning" component="h3" title="Not known of all clusters">
      <ul>
        {notAnswered.map(({ clusters, reason, message }) => (
          <li key={reason}>
            {count(clusters.length, 'cluster')}, {listText(clusters)}: {message}.
          </li>
        ))}
      </ul>
    </Alert>
  );

const TEAM_COLUMNS: readonly Column<TeamWorkloads>[] = [
  { title: 'Team', width: 40, cell: ({ team }) => team ?? <span className="fso-muted">no team</span> },
  { title: 'Begin to run outside', cell: ({ outside }) => formatNumber(outside) },
  { title: 'Begin to be refused', cell: ({ refused }) => formatNumber(refused) },
  { title: 'Begin to stay pending', cell: ({ pending }) => formatNumber(pending) },
];

/** Owners that agents name, by team. */
const Teams = ({ teams }: Pick<NonNullable<Plan['workloads']>, 'teams'>) =>
  teams.length === 0 ? null : (
    <>
      <Heading level={3}>Workloads by team</Heading>
      <p className="fso-muted">
        Owners that agents name, by the label team of the policies behind them; one with policies of several teams counts for each.
      </p>
      <VirtualTable label="Workloads by team" rows={teams} columns={TEAM_COLUMNS} rowKey={({ team }) => team ?? ''} />
    </>
  );

type OwnerRow = ReturnType<typeof ownerRows>[number];

const OWNER_COLUMNS: readonly Column<OwnerRow>[] = [
  { title: 'Owner', width: 25, cell: ({ owner }) => owner },
  { title: 'Cluster', width: 15, cell: ({ cluster }) => <ClusterLink cluster={cluster} /> },
  { title: 'Would be', width: 10, cell: ({ comes }) => comes },
  { title: 'Reason', cell: ({ reason }) => reason },
  { title: 'Line that mends it', cell: ({ fix }) => <code>{fix}</code> },
];

/** Owners that agents name. */
const Owners = ({ workloads }: Pick<Plan, 'workloads'>) => {
  const rows = ownerRows(workloads);
  if (rows.length === 0) return null;
  return (
    <>
      <Heading level={3}>Workloads that begin to break</Heading>
      <VirtualTable
        label="Workloads that begin to break"
        rows={rows}
        columns={OWNER_COLUMNS}
        rowKey={({ cluster, owner, comes }) => `${cluster} ${owner} ${comes}`}
      />
    </>
  );
};

const Workloads = ({ workloads }: { readonly workloads: NonNullable<Plan['workloads']> }) => (
  <>
    <Heading level={3}>What runs now</Heading>
    <NotAnswered notAnswered={workloads.notAnswered} />
    {workloads.clusters.length === 0 ? (
      <p className="fso-muted">No cluster has answered what the change does to its workloads.</p>
    ) : (
      <VirtualTable label="Clusters that answered" rows={workloads.clusters} columns={CLUSTER_COLUMNS} rowKey={({ cluster }) => cluster} />
    )}
    <Teams teams={workloads.teams} />
    <Owners workloads={workloads} />
  </>
);

type RuleRow = ReturnType<typeof planRows>[number];

const RULE_COLUMNS: readonly Column<RuleRow>[] = [
  { title: 'Namespace', width: 20, cell: ({ namespace }) => <code>{namespace}</code> },
  { title: 'Clusters', width: 10, cell: ({ clusters }) => clusters },
  {
    title: 'Change',
    width: 20,
    cell: ({ change, action }) => (
      <div>
        {change}
        <div className="fso-muted">{action}</div>
      </div>
    ),
  },
  {
    title: 'Regions',
    width: 20,
    cell: ({ before, after }) => (
      <div>
        {before} → {after}
      </div>
    ),
  },
  {
    title: 'A pod that shows it',
    cell: ({ pod, fix }) => (
      <div>
        {pod}
        {fix === '' ? null : <div className="fso-muted">Fix: {fix}</div>}
      </div>
    ),
  },
];

const Rules = ({ plan }: { readonly plan: Plan }) => {
  const rows = planRows(plan);
  return (
    <>
      <Heading level={3}>Rules that change</Heading>
      {rows.length === 0 ? (
        <p className="fso-muted">No rule changes in any cluster.</p>
      ) : (
        <VirtualTable label="Rules that change" rows={rows} columns={RULE_COLUMNS} rowKey={(row) => Object.values(row).join(' ')} />
      )}
      {plan.notLookedAt.map(({ clusters, reason }) => (
        <p key={reason}>
          Not looked at: {listText(clusters)}: {reason}.
        </p>
      ))}
    </>
  );
};

type WaveRow = ReturnType<typeof waveRows>[number];

const WAVE_COLUMNS: readonly Column<WaveRow>[] = [
  { title: 'Wave', width: 30, cell: ({ wave }) => wave },
  { title: 'Clusters', width: 40, cell: ({ clusters }) => clusters },
  { title: 'What changes', cell: ({ change }) => change },
];

const Waves = ({ plan }: { readonly plan: Plan }) => {
  const rows = waveRows(plan);
  if (rows.length === 0) return null;
  return (
    <>
      <Heading level={3}>Waves</Heading>
      <p>{wavesNote(plan)}</p>
      <VirtualTable label="Waves" rows={rows} columns={WAVE_COLUMNS} rowKey={({ wave }) => wave} />
    </>
  );
};

/** Result of a plan: the verdict, then the running workloads, then every possible pod. */
export const PlanResult = ({ plan }: { readonly plan: Plan }) => (
  <>
    <Alert isInline variant={VARIANTS[plan.result]} component="h3" title={planVerdict(plan)}>
      Compared with <RevisionLink revision={plan.before.revision} />. Looked at {count(plan.lookedAt.clusters, 'cluster')} and{' '}
      {count(plan.lookedAt.policies, 'policy', 'policies')}; capacity, volumes and pod affinity are not looked at.{' '}
      {acceptNote(plan, (text) => text)}
    </Alert>
    {plan.workloads === null || plan.workloads.clusters.length + plan.workloads.notAnswered.length === 0 ? null : (
      <Workloads workloads={plan.workloads} />
    )}
    <Rules plan={plan} />
    <Waves plan={plan} />
    <PlanMap effects={plan.effects} />
  </>
);
