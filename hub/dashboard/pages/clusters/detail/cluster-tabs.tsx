import type { ClusterView, Condition, EventView } from '@fso/shared/api';
import { Grid, GridItem, Icon, Tab, TabContent, TabContentBody, Tabs, TabTitleText } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationCircleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-circle-icon';
import QuestionCircleIcon from '@patternfly/react-icons/dist/esm/icons/question-circle-icon';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { eventsQuery } from '../../../api/queries.ts';
import { Empty } from '../../../components/empty-states.tsx';
import { PolicyLink, RevisionLink } from '../../../components/links.tsx';
import { StaleState } from '../../../components/stale-state.tsx';
import { SEVERITY_OPTIONS, SeverityLabel } from '../../../components/state-label.tsx';
import { type Column, SearchableTable } from '../../../components/tables/data-table.tsx';
import { PlainTable, type PlainTableProps } from '../../../components/tables/plain-table.tsx';
import { RelativeTime, SectionCard } from '../../../components/text.tsx';
import type { Filter } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';
import { healthOf } from '../../../lib/health.ts';
import { NotReported, RevisionCard, SoftwareCard } from './cluster-cards.tsx';
import { ClusterPolicies } from './cluster-policies.tsx';
import { ClusterViolations } from './cluster-violations.tsx';
import { EnrolmentCard } from './enrolment-card.tsx';
import { NodesCard } from './nodes-card.tsx';

const FILTERS: readonly Filter[] = [
  {
    name: 'severity',
    label: 'Severity',
    options: SEVERITY_OPTIONS,
  },
];

const About = ({ event: { policy, revision } }: { readonly event: EventView }) => (
  <>
    {policy === undefined ? null : <PolicyLink policy={policy} />}
    {revision === undefined ? null : (
      <div>
        <RevisionLink revision={revision} />
      </div>
    )}
  </>
);

const COLUMNS: readonly Column<EventView>[] = [
  { title: 'Time', width: 15, cell: ({ time }) => <RelativeTime time={time} /> },
  { title: 'Severity', width: 15, cell: ({ severity }) => <SeverityLabel severity={severity} /> },
  { title: 'Event', width: 15, cell: ({ reason }) => reason },
  { title: 'Message', cell: ({ message }) => message },
  { title: 'About', width: 20, cell: (event) => <About event={event} /> },
];

/** Events of a cluster, newest first. */
const ClusterEvents = ({ cluster }: { readonly cluster: string }) => {
  const search = route.useSearch();
  const query = useInfiniteQuery(eventsQuery({ cluster, severity: search.severity, q: search.q }));
  return (
    <SearchableTable
      toolbar={{ search: 'Search events', filters: FILTERS }}
      table={{ label: 'Events', noun: ['event', 'events'], query, columns: COLUMNS, rowKey: ({ id }) => String(id) }}
      values={search}
      none={<Empty title="No events">No event of this cluster has been reported yet.</Empty>}
      noMatch="No events match"
    />
  );
};

const ICONS = {
  good: <CheckCircleIcon />,
  bad: <ExclamationCircleIcon />,
  unknown: <QuestionCircleIcon />,
} as const;
const STATUS = { good: 'success', bad: 'danger', unknown: 'warning' } as const;

const Status = ({ condition, isFresh }: { readonly condition: Condition; readonly isFresh: boolean }) => {
  const state = healthOf(condition);
  if (!isFresh) return <StaleState>Was {condition.status}</StaleState>;
  return (
    <span className="fso-nowrap">
      <Icon status={STATUS[state]} isInline>
        {ICONS[state]}
      </Icon>{' '}
      {condition.status}
    </span>
  );
};

const columns = (isFresh: boolean): PlainTableProps<Condition>['columns'] => [
  { title: 'Condition', width: 20, cell: ({ type }) => type },
  { title: 'Status', width: 10, cell: (condition) => <Status condition={condition} isFresh={isFresh} /> },
  { title: 'Reason', width: 15, cell: ({ reason }) => reason },
  { title: 'Since', width: 15, cell: ({ lastTransitionTime }) => <RelativeTime time={lastTransitionTime} /> },
  { title: 'Message', className: 'fso-message', cell: ({ message }) => message },
];

interface ConditionsCardProps {
  /** Conditions that the agent reports; undefined if nothing is reported. */
  readonly conditions: readonly Condition[] | undefined;
  /** Whether the cluster is connected. */
  readonly isFresh: boolean;
}

const ConditionsCard = ({ conditions, isFresh }: ConditionsCardProps) => (
  <SectionCard title="Conditions">
    {conditions === undefined || conditions.length === 0 ? (
      <NotReported />
    ) : (
      <PlainTable label="Conditions" rows={conditions} columns={columns(isFresh)} rowKey={({ type }) => type} borders={false} />
    )}
  </SectionCard>
);

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

/** Tabs of a cluster. The URL names the open one. */
export const ClusterTabs = ({ cluster }: { readonly cluster: ClusterView }) => {
  const { tab: active = 'overview' } = route.useSearch();
  const navigate = route.useNavigate();
  // Filters belong to one tab; another tab starts without them.
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
