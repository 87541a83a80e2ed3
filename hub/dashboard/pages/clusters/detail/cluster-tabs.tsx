import type { ClusterView } from '@fso/shared/api';
import { Grid, GridItem, Tab, TabContent, TabContentBody, Tabs, TabTitleText } from '@patternfly/react-core';
import { getRouteApi } from '@tanstack/react-router';
import { formatNumber } from '../../../lib/format.ts';
import { RevisionCard, SoftwareCard } from './cluster-cards.tsx';
import { ClusterEvents } from './cluster-events.tsx';
import { ClusterPolicies } from './cluster-policies.tsx';
import { ClusterViolations } from './cluster-violations.tsx';
import { ConditionsCard } from './conditions-card.tsx';
import { EnrolmentCard } from './enrolment-card.tsx';
import { NodesCard } from './nodes-card.tsx';

const ClusterOverview = ({ cluster }: { readonly cluster: ClusterView }) => (
  <Grid hasGutter>
    <GridItem lg={6}>
      <SoftwareCard cluster={cluster} />
    </GridItem>
    <GridItem lg={6}>
      <RevisionCard cluster={cluster} />
    </GridItem>
    <GridItem>
      <ConditionsCard conditions={cluster.report?.conditions} isFresh={cluster.connection === 'Connected'} />
    </GridItem>
    <GridItem lg={6}>
      <NodesCard cluster={cluster} />
    </GridItem>
    <GridItem lg={6}>
      <EnrolmentCard cluster={cluster} />
    </GridItem>
  </Grid>
);

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

/** The tabs of a cluster; the URL names the open one. */
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
