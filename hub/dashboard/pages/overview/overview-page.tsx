import './overview.css';
import type { StatusView } from '@fso/shared/api';
import { PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { statusQuery } from '../../api/queries.ts';
import { QueryView } from '../../components/empty-states.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { ChangesCard } from './changes-card.tsx';
import { ClustersCard, PoliciesCard } from './count-cards.tsx';
import { IssuesCard } from './issues-card.tsx';
import { PoliciesByRegionCard } from './policies-by-region-card.tsx';
import { RegionsCard } from './regions-card.tsx';
import { SourceCard } from './source-card.tsx';
import { useFleetState } from './use-fleet-state.ts';
import { ViolationsCard } from './violations-card.tsx';

const Cards = ({ status }: { readonly status: StatusView }) => {
  const facts = useFleetState();
  const { connectionOf } = facts;
  const stateOf = useCallback((cluster: string) => connectionOf(cluster)?.connection, [connectionOf]);
  return (
    <div className="fso-overview">
      <PoliciesCard policies={status.policies} />
      <ClustersCard clusters={status.clusters} ages={facts.ages} />
      <ViolationsCard status={status} />
      <div className="fso-overview-wide">
        <IssuesCard facts={{ ...facts, status }} reading={facts.reading} onRetry={facts.retry} />
      </div>
      <div className="fso-overview-wide">
        <RegionsCard connectionOf={stateOf} />
      </div>
      <div className="fso-overview-wide">
        <ChangesCard />
      </div>
      <div className="fso-overview-two">
        <SourceCard source={status.source} />
      </div>
      <PoliciesByRegionCard />
    </div>
  );
};

export const OverviewPage = () => {
  const status = useQuery(statusQuery);
  return (
    <>
      <PageHeader title="Overview" description="Is every policy enforced in every cluster, and which workloads violate one?" />
      <PageSection hasBodyWrapper={false}>
        <QueryView query={status} what="the status" lines={10}>
          {(data) => <Cards status={data} />}
        </QueryView>
      </PageSection>
    </>
  );
};
