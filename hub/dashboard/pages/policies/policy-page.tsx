import { PageSection } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { policyQuery } from '../../api/queries.ts';
import { PageHeader } from '../../components/page-header.tsx';
import { QueryView } from '../../components/query-view.tsx';
import { LockLabel, PhaseLabel } from '../../components/state-label.tsx';

const route = getRouteApi('/shell/policies/$namespace/$name');

export const PolicyPage = () => {
  const { namespace, name } = route.useParams();
  const policy = useQuery(policyQuery(`${namespace}/${name}`));
  return (
    <>
      <PageHeader
        title={name}
        crumbs={[{ to: '/policies', text: 'Policies' }]}
        labels={policy.data === undefined ? null : <PhaseLabel phase={policy.data.phase} />}
      />
      <PageSection hasBodyWrapper={false}>
        <QueryView query={policy} what="the policy">
          {({ clusters }) => (
            <ul>
              {clusters.map(({ cluster, report }) => (
                <li key={cluster}>
                  {cluster} <LockLabel lock="Admission" state={report?.enforcement.admission.state ?? null} />{' '}
                  <LockLabel lock="Gatekeeper" state={report?.enforcement.gatekeeper.state ?? null} />
                </li>
              ))}
            </ul>
          )}
        </QueryView>
      </PageSection>
    </>
  );
};
