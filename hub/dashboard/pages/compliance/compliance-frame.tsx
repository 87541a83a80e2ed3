import { PageSection } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { PageHeader } from '../../components/page-header.tsx';
import { SubPages } from '../../components/sub-pages.tsx';

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
