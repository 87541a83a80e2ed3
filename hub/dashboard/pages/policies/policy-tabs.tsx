import type { PolicyView } from '@fso/shared/api';
import { Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { formatNumber } from '../../lib/format.ts';
import { ClustersTab } from './clusters-tab.tsx';
import { HistoryTab } from './history-tab.tsx';
import { LabelsTab } from './labels-tab.tsx';
import { OverviewTab } from './overview-tab.tsx';
import { SourceTab } from './source-tab.tsx';
import { usePolicySearch } from './use-policy-search.ts';
import { ViolationsTab } from './violations-tab.tsx';

const OVERVIEW = 'overview';
const TABS = ['clusters', 'source', 'labels', 'violations', 'history'] as const;

/** Chosen by the URL; only the one that is open is in the document. */
export const PolicyTabs = ({ policy }: { readonly policy: PolicyView }) => {
  const { search, openTab } = usePolicySearch();
  const { clusters, violations } = policy;
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
      {tab('source', 'Source', <SourceTab policy={policy} />)}
      {tab('labels', 'Labels', <LabelsTab policy={policy} />)}
      {tab('violations', `Violations (${formatNumber(violations)})`, <ViolationsTab policy={policy} />)}
      {tab('history', 'History', <HistoryTab policy={policy} />)}
    </Tabs>
  );
};
