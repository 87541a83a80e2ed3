import { PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { statusQuery } from '../../api/queries.ts';
import { Empty } from '../../components/empty-states.tsx';
import { PageHeader, SubPages } from '../../components/page-header.tsx';
import { count } from '../../lib/format.ts';

const PAGES = [
  { to: '/compliance', text: 'Violations' },
  { to: '/compliance/checker', text: 'Pod affinity checker' },
  { to: '/compliance/report', text: 'Issue report' },
] as const;

interface ComplianceFrameProps {
  readonly description: string;
  readonly children: ReactNode;
}

export const ComplianceFrame = ({ description, children }: ComplianceFrameProps) => (
  <>
    <PageHeader title="Compliance" description={description} />
    <SubPages label="Compliance pages" pages={PAGES} />
    <PageSection hasBodyWrapper={false} isFilled>
      {children}
    </PageSection>
  </>
);

/** No agent names one: which is good only as far as agents are heard. */
export const NoViolations = () => {
  const { data: unheard, isSuccess } = useQuery({
    ...statusQuery,
    select: ({ clusters: { total, connected } }) => total - connected,
  });
  if (!isSuccess) return <Empty title="No violations are known">Whether every cluster is connected is not known.</Empty>;
  return unheard === 0 ? (
    <Empty title="No violations">Every workload that agents see is where it may be.</Empty>
  ) : (
    <Empty title="No violations are known">
      {count(unheard, 'cluster is', 'clusters are')} not connected: nobody knows what runs there now.
    </Empty>
  );
};
