import { type OutcomeRow, outcomeRows, outcomeText, plannedRows, regionsText, type StoredPlanView } from '@fso/shared/effects/portable';
import { listText } from '@fso/shared/text';
import { Alert } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { storedPlanQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { ClusterLink, RevisionLink } from '../../components/links.tsx';
import { Page } from '../../components/page-header.tsx';
import { type Column, VirtualTable } from '../../components/tables/virtual-table.tsx';
import { Facts, Heading, RelativeTime } from '../../components/text.tsx';

const route = getRouteApi('/shell/plan/$id');

const OUTCOME_COLUMNS: readonly Column<OutcomeRow>[] = [
  { title: 'Cluster', width: 15, cell: ({ cluster }) => <ClusterLink cluster={cluster} /> },
  { title: 'Owners', width: 15, cell: (row) => row.class },
  { title: 'Before', width: 10, cell: ({ before }) => before },
  { title: 'Predicted', width: 10, cell: ({ predicted }) => predicted },
  { title: 'Now', width: 15, cell: ({ now }) => now },
  { title: 'Compared', width: 15, cell: ({ compared }) => compared },
  { title: 'By name', cell: ({ owners }) => owners },
];

/** Prediction of a plan beside the reports of agents that enforce the commit. */
const Outcome = ({ plan }: { readonly plan: StoredPlanView }) => {
  const { outcome } = plan;
  const rows = outcomeRows(plan);
  if (outcome === null) return null;
  return (
    <>
      <Heading level={2}>What happened</Heading>
      <Alert isInline variant="info" component="p" title={outcomeText(plan)}>
        {outcome.revision === null ? null : (
          <>
            Commit <RevisionLink revision={outcome.revision} />
          </>
        )}
      </Alert>
      {outcome.state !== 'InForce' ? null : rows.length === 0 ? (
        <p className="fso-muted">Nothing that runs was to get worse, and nothing is reported.</p>
      ) : (
        <VirtualTable
          label="Predicted and reported"
          rows={rows}
          columns={OUTCOME_COLUMNS}
          rowKey={(row) => `${row.cluster} ${row.class}`}
        />
      )}
    </>
  );
};

type PlannedRow = ReturnType<typeof plannedRows>[number];

const PLANNED_COLUMNS: readonly Column<PlannedRow>[] = [
  { title: 'Cluster', width: 15, cell: ({ cluster }) => <ClusterLink cluster={cluster} /> },
  { title: 'Run outside', cell: ({ outside }) => outside },
  { title: 'Refused at next start', cell: ({ refused }) => refused },
  { title: 'Would stay pending', cell: ({ pending }) => pending },
];

type StoredEffect = StoredPlanView['effects'][number];

const RULE_COLUMNS: readonly Column<StoredEffect>[] = [
  { title: 'Namespaces', width: 25, cell: ({ namespaces }) => <code>{listText(namespaces)}</code> },
  { title: 'Clusters', width: 20, cell: ({ clusters }) => listText(clusters) },
  { title: 'Change', width: 20, cell: ({ verdict, action }) => `${verdict}, ${action}` },
  {
    title: 'Regions',
    cell: ({ before, after }) => (
      <>
        {regionsText(before)} → {regionsText(after)}
      </>
    ),
  },
];

const named = (clusters: readonly string[]): string | undefined => (clusters.length === 0 ? undefined : listText(clusters));

const Body = ({ plan }: { readonly plan: StoredPlanView }) => {
  const planned = plannedRows(plan);
  return (
    <div className="fso-stack">
      <Facts
        facts={{
          Made: <RelativeTime time={plan.at} />,
          By: plan.by,
          'Compared with': <RevisionLink revision={plan.revision} />,
          'Not looked at': named(plan.notLookedAt),
          'Not answered': named(plan.notAnswered),
          'Not judged whole': named(plan.partly),
        }}
      />
      <Outcome plan={plan} />
      <Heading level={2}>What was planned</Heading>
      {planned.length === 0 ? (
        <p className="fso-muted">Nothing that ran was to change, as far as clusters answered.</p>
      ) : (
        <VirtualTable label="Workloads that were to change" rows={planned} columns={PLANNED_COLUMNS} rowKey={({ cluster }) => cluster} />
      )}
      <VirtualTable label="Rules that were to change" rows={plan.effects} columns={RULE_COLUMNS} rowKey={(row) => JSON.stringify(row)} />
    </div>
  );
};

/** Stored plan, and what happened after the merge. */
export const StoredPlanPage = () => {
  const { id } = route.useParams();
  const query = useQuery(storedPlanQuery(id));
  return (
    <Page title={`Plan ${id}`} crumbs={[{ to: '/plan', text: 'Plan' }]}>
      <QueryView query={query} what="the plan" lines={8}>
        {(plan) => <Body plan={plan} />}
      </QueryView>
    </Page>
  );
};
