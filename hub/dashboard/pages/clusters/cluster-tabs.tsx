import type { ClusterView } from '@fso/shared/api';
import { Tab, TabContent, TabContentBody, Tabs, TabTitleText } from '@patternfly/react-core';
import { getRouteApi } from '@tanstack/react-router';
import { formatNumber } from '../../lib/format.ts';
import { ClusterEvents } from './cluster-events.tsx';
import { ClusterOverview } from './cluster-overview.tsx';
import { ClusterPolicies } from './cluster-policies.tsx';
import { ClusterViolations } from './cluster-violations.tsx';

const route = getRouteApi('/shell/clusters/$name');

const TABS = ['overview', 'policies', 'violations', 'events'] as const;
type TabKey = (typeof TABS)[number];

const titleOf = (tab: TabKey, { policies, violations, report }: ClusterView): string =>
  ({
    overview: 'Overview',
    policies: `Policies (${formatNumber(policies.total)})`,
    violations: report === null ? 'Violations' : `Violations (${formatNumber(violations)})`,
    events: 'Events',
  })[tab];

const Panel = ({ tab, cluster }: { readonly tab: TabKey; readonly cluster: ClusterView }) => {
  if (tab === 'policies') return <ClusterPolicies cluster={cluster} />;
  if (tab === 'violations') return <ClusterViolations cluster={cluster} />;
  return tab === 'events' ? <ClusterEvents cluster={cluster.name} /> : <ClusterOverview cluster={cluster} />;
};

/** What is known of a cluster; which part of it is shown stands in the URL. */
export const ClusterTabs = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { tab: active = 'overview' } = route.useSearch();
  const navigate = route.useNavigate();
  // Filters are of one tab: another one begins without them.
  const show = (tab: TabKey): void => void navigate({ search: tab === 'overview' ? {} : { tab }, replace: true });
  return (
    <>
      <Tabs
        activeKey={active}
        onSelect={(_event, key) => show(TABS.find((tab) => tab === key) ?? 'overview')}
        aria-label="Parts of the cluster"
      >
        {TABS.map((tab) => (
          <Tab key={tab} eventKey={tab} title={<TabTitleText>{titleOf(tab, cluster)}</TabTitleText>} tabContentId={`cluster-${tab}`} />
        ))}
      </Tabs>
      {TABS.map((tab) => (
        <TabContent
          key={tab}
          id={`cluster-${tab}`}
          eventKey={tab}
          activeKey={active}
          hidden={tab !== active}
          aria-label={titleOf(tab, cluster)}
        >
          <TabContentBody className="fso-tab">{tab === active ? <Panel tab={tab} cluster={cluster} /> : null}</TabContentBody>
        </TabContent>
      ))}
    </>
  );
};
