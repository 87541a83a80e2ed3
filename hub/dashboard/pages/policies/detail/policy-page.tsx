import '../policies.css';
import { type PolicyView, policyKey } from '@fso/shared/api';
import { Alert, Skeleton, Tab, Tabs, TabTitleText } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { isNotFound } from '../../../api/client.ts';
import { policyHistoryQuery, policyQuery } from '../../../api/queries.ts';
import { useScope } from '../../../api/session.ts';
import { Empty, QueryView } from '../../../components/empty-states.tsx';
import { RevisionLink } from '../../../components/links.tsx';
import { Page } from '../../../components/page-header.tsx';
import { ActionLabel, PhaseLabel } from '../../../components/state-label.tsx';
import { Facts, RelativeTime } from '../../../components/text.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { authorName } from '../../../lib/text-diff.ts';
import { ClustersTab } from '../clusters/clusters-tab.tsx';
import { LabelsTab } from '../clusters/labels-tab.tsx';
import { OverviewTab } from '../overview/overview-tab.tsx';
import { originOf } from '../policy-origin.tsx';
import { AllowedRegions, Expires } from '../policy-values.tsx';
import { usePolicyKey, usePolicySearch } from '../use-policy-search.ts';
import { HistoryTab } from './history-tab.tsx';
import { SourceTab } from './source-tab.tsx';
import { ViolationsTab } from './violations-tab.tsx';

/** Commit that last changed the document. */
const LastChange = ({ policy }: { readonly policy: PolicyView }) => {
  const history = useQuery(policyHistoryQuery(policyKey(policy)));
  const last = history.data?.items[0]?.commit;
  if (last === undefined)
    return history.isError || history.data !== undefined ? (
      <span className="fso-muted">could not be read</span>
    ) : (
      <Skeleton width="60%" screenreaderText="Loading the last change" />
    );
  return (
    <>
      <RevisionLink revision={last.revision} /> {last.subject}{' '}
      <span className="fso-muted">
        by {authorName(last.author)}, <RelativeTime time={last.time} />
      </span>
    </>
  );
};

const Origin = ({ policy }: { readonly policy: PolicyView }) =>
  policy.source === null ? (
    <span className="fso-muted">{originOf(policy) === 'local' ? 'not from Git: local' : 'no longer in Git'}</span>
  ) : (
    <code>
      {policy.source.path}:{policy.source.line}
    </code>
  );

const OriginNote = ({ policy }: { readonly policy: PolicyView }) => {
  const origin = originOf(policy);
  if (origin === 'git') return null;
  return origin === 'local' ? (
    <Alert isInline isPlain variant="info" component="p" title="A local policy: it was applied to a cluster and does not come from Git">
      The hub neither delivers nor changes it; this page shows the reports of the clusters.
    </Alert>
  ) : (
    <Alert isInline variant="warning" component="p" title="This policy is no longer in Git">
      The commit in force does not have it. The clusters below still report it until they accept that commit.
    </Alert>
  );
};

/** Summary above the tabs. */
const PolicyDescription = ({ policy }: { readonly policy: PolicyView }) => {
  const { targetNamespace, allowedRegions, effectiveRegions, expiryDate, violations, source } = policy;
  const isScoped = useScope() !== undefined;
  return (
    <>
      <OriginNote policy={policy} />
      <Facts
        isHorizontal={false}
        columnModifier={{ default: '1Col', md: '2Col', xl: '3Col' }}
        className="fso-facts"
        aria-label="The policy in short"
        facts={{
          Governs: <code>{targetNamespace}</code>,
          'Allowed regions': <AllowedRegions allowed={allowedRegions} effective={effectiveRegions} />,
          Violations: formatNumber(violations),
          Expires: <Expires date={expiryDate} />,
          'In Git': <Origin policy={policy} />,
          'Last change': source === null || isScoped ? undefined : <LastChange policy={policy} />,
        }}
      />
    </>
  );
};

const OVERVIEW = 'overview';
const TABS = ['clusters', 'source', 'labels', 'violations', 'history'] as const;

/** Tabs of a policy. The URL names the open one, and only that is in the document. */
const PolicyTabs = ({ policy }: { readonly policy: PolicyView }) => {
  const { search, openTab } = usePolicySearch();
  const { clusters, violations } = policy;
  // Documents and commits can name objects outside of the user's scope, so the hub shows them only
  // to users who see everything.
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
