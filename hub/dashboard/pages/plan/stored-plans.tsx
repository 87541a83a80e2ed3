import type { StoredPlanSummary } from '@fso/shared/effects/portable';
import { Label } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { storedPlansQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { PlanLink, RevisionLink } from '../../components/links.tsx';
import { type Column, VirtualTable } from '../../components/tables/virtual-table.tsx';
import { Heading, RelativeTime } from '../../components/text.tsx';
import { rowsOf } from '../../lib/paged-list.ts';

const RESULTS: Readonly<Record<StoredPlanSummary['result'], readonly [text: string, status: 'success' | 'danger' | 'warning']>> = {
  NothingBreaks: ['Nothing breaks', 'success'],
  Accepted: ['Accepted', 'success'],
  Breaks: ['Breaks', 'danger'],
  NotAllLookedAt: ['Not all was looked at', 'warning'],
  NotAllAnswered: ['Not all answered', 'warning'],
  NothingLookedAt: ['Nothing was looked at', 'warning'],
};

/** Label for the result of a stored plan. */
export const StoredResult = ({ result }: Pick<StoredPlanSummary, 'result'>) => {
  const [text, status] = RESULTS[result];
  return <Label status={status}>{text}</Label>;
};

const COLUMNS: readonly Column<StoredPlanSummary>[] = [
  { title: 'Made', width: 15, cell: ({ at }) => <RelativeTime time={at} /> },
  { title: 'By', width: 20, cell: ({ by }) => by },
  { title: 'Branch', width: 15, cell: ({ branch }) => (branch === undefined ? null : <code className="fso-message">{branch.name}</code>) },
  { title: 'Result', width: 20, cell: ({ result }) => <StoredResult result={result} /> },
  { title: 'Compared with', width: 15, cell: ({ revision }) => <RevisionLink revision={revision} /> },
  { title: 'Plan', cell: ({ id }) => <PlanLink id={id} /> },
];

/** Plans that the hub stores, newest first. */
export const StoredPlans = () => {
  const query = useInfiniteQuery(storedPlansQuery);
  return (
    <section>
      <Heading level={2}>Stored plans</Heading>
      <QueryView query={query} what="the stored plans" lines={3}>
        {(data) => {
          const rows = rowsOf(data);
          return rows.length === 0 ? (
            <p className="fso-muted">
              There are none yet. The hub stores the effects of each plan that breaks something, and of the last one of each branch, and no
              text of the change.
            </p>
          ) : (
            <VirtualTable
              label="Stored plans"
              rows={rows}
              columns={COLUMNS}
              rowKey={({ id }) => id}
              onNearEnd={query.hasNextPage && !query.isFetching ? query.fetchNextPage : undefined}
            />
          );
        }}
      </QueryView>
    </section>
  );
};
