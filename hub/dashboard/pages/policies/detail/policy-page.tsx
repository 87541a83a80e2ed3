import '../policies.css';
import type { PolicyView } from '@fso/shared/api';
import { Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { isNotFound } from '../../../api/client.ts';
import { policyQuery } from '../../../api/queries.ts';
import { useScope } from '../../../api/session.ts';
import { Empty, QueryView } from '../../../components/empty-states.tsx';
import { Page } from '../../../components/page-header.tsx';
import { ActionLabel, PhaseLabel } from '../../../components/state-label.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { ClustersTab } from '../clusters/clusters-tab.tsx';
import { LabelsTab } from '../clusters/labels-tab.tsx';
import { OverviewTab } from '../overview/overview-tab.tsx';
import { usePolicyKey, usePolicySearch } from '../use-policy-search.ts';
import { HistoryTab } from './history-tab.tsx';
import { PolicyDescription } from './policy-description.tsx';
import { SourceTab } from './source-tab.tsx';
import { ViolationsTab } from './violations-tab.tsx';

const OVERVIEW = 'overview';
const TABS = ['clusters', 'source', 'labels', 'violations', 'history'] as const;

/** Chosen by the URL; only the one that is open is in the document. */
const PolicyTabs = ({ policy }: { readonly policy: PolicyView }) => {
  const { search, openTab } = usePolicySearch();
  const { clusters, violations } = policy;
  // Documents and commits can name what is outside of a scope: the hub shows them to those who see
  // everything.
  const isScoped = useScope() !== undefined;
  const tab = (key: string, title: string, content: ReactNode) => (
    <Tab eventKey={key} title={<TabTitleText>{title}</TabTitleText>}>
      <div className="fso-tab">{content}</div>
    </Tab>
  );
  return (
    <Tabs
      activeKey={search.tab ?? OVERVIEW}
      onSelect={(_event, key) => openTab(TABS.find((name) => name === key))}
      aria-label="Parts of the policy"
      mountOnEnter
      unmountOnExit
    >
      {tab(OVERVIEW, 'Overview', <OverviewTab policy={policy} />)}
      {tab('clusters', `Clusters (${formatNumber(clusters.length)})`, <ClustersTab policy={policy} />)}
      {isScoped ? null : tab('source', 'Source', <SourceTab policy={policy} />)}
      {tab('labels', 'Labels', <LabelsTab policy={policy} />)}
      {tab('violations', `Violations (${formatNumber(violations)})`, <ViolationsTab policy={policy} />)}
      {isScoped ? null : tab('history', 'History', <HistoryTab policy={policy} />)}
    </Tabs>
  );
};

const NoPolicy = ({ policy }: { readonly policy: string }) => (
  <Empty title={`There is no policy ${policy}`}>
    It is not in the commit in force, and no cluster reports it. <Link to="/policies">All policies</Link>
  </Empty>
);

export const PolicyPage = () => {
  const key = usePolicyKey();
  const policy = useQuery(policyQuery(key));
  const { data } = policy;
  const isGone = policy.isError && isNotFound(policy.error);
  return (
    <Page
      title={key}
      crumbs={[{ to: '/policies', text: 'Policies' }]}
      description={data?.description}
      labels={
        data === undefined || isGone ? null : (
          <>
            <PhaseLabel phase={data.phase} />
            <ActionLabel action={data.enforcementAction} />
          </>
        )
      }
      className="fso-policies"
    >
      {isGone ? (
        <NoPolicy policy={key} />
      ) : (
        <QueryView query={policy} what="the policy" lines={8}>
          {(view) => (
            <>
              <PolicyDescription policy={view} />
              <PolicyTabs policy={view} />
            </>
          )}
        </QueryView>
      )}
    </Page>
  );
};
