import './policies.css';
import { PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { isNotFound } from '../../api/client.ts';
import { policyQuery } from '../../api/queries.ts';
import { Empty, QueryView } from '../../components/empty-states.tsx';
import { PageHeader } from '../../components/page-header.tsx';
import { ActionLabel, PhaseLabel } from '../../components/state-label.tsx';
import { PolicyFacts } from './policy-facts.tsx';
import { PolicyTabs } from './policy-tabs.tsx';
import { usePolicyParams } from './use-policy-search.ts';

const NoPolicy = ({ policy }: { readonly policy: string }) => (
  <Empty title={`There is no policy ${policy}`}>
    It is not in the commit in force, and no cluster reports it: it was removed, or never there. <Link to="/policies">All policies</Link>
  </Empty>
);

export const PolicyPage = () => {
  const { namespace, name } = usePolicyParams();
  const key = `${namespace}/${name}`;
  const policy = useQuery(policyQuery(key));
  const { data } = policy;
  const isGone = policy.isError && isNotFound(policy.error);
  return (
    <>
      <PageHeader
        title={name}
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
      />
      <PageSection hasBodyWrapper={false} isFilled className="fso-policies">
        {isGone ? (
          <NoPolicy policy={key} />
        ) : (
          <QueryView query={policy} what="the policy" lines={8}>
            {(view) => (
              <>
                <PolicyFacts policy={view} />
                <PolicyTabs policy={view} />
              </>
            )}
          </QueryView>
        )}
      </PageSection>
    </>
  );
};
