import { isAsExpected, type Phase, type PolicyView } from '@fso/shared/api';
import { Alert, Content } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { regionsQuery } from '../../../api/queries.ts';
import { QueryView } from '../../../components/empty-states.tsx';
import { Heading } from '../../../components/text.tsx';
import { formatNumber } from '../../../lib/format.ts';
import { toMapRegions } from '../../../map/map-regions.ts';
import { RegionTable } from '../../../map/region-table.tsx';
import { useFollow } from '../../../map/use-follow.ts';
import { WorldMap } from '../../../map/world-map.tsx';
import { countRows, toClusterRows } from '../clusters/cluster-rows.ts';
import { originOf } from '../policy-origin.tsx';
import { LockCount } from '../policy-values.tsx';
import { UntoldClusters } from '../untold-clusters.tsx';
import { usePolicyDetails } from '../use-policy-details.ts';
import { ConditionsTable } from './conditions-table.tsx';
import { describeClusters, describePolicy } from './describe-policy.ts';
import { connectionsOf, policyRegionViews } from './policy-map.ts';

/** Regions that a policy allows, and those in which it is violated, on the map and as a table. */
const PolicyRegions = ({ policy }: { readonly policy: PolicyView }) => {
  const { effectiveRegions, clusters } = policy;
  const query = useQuery(regionsQuery);
  const items = query.data?.items;
  const regions = useMemo(
    () => toMapRegions(policyRegionViews({ effectiveRegions, clusters }, items ?? [])),
    [effectiveRegions, clusters, items],
  );
  const allowed = useMemo(() => new Set(effectiveRegions), [effectiveRegions]);
  const connectionOf = useMemo(() => connectionsOf(clusters), [clusters]);
  const [pointed, setPointed] = useState<string>();
  const onFollow = useFollow();
  return (
    <QueryView query={query} what="the regions" lines={8}>
      {() => (
        <div className="fso-policy-regions">
          <WorldMap regions={regions} highlighted={allowed} connectionOf={connectionOf} pointed={pointed} onFollow={onFollow} isNear />
          <div>
            <RegionTable regions={regions} onPoint={setPointed} />
            <p className="fso-muted">Only the clusters and violations of this policy; agents list the first 20 violations per cluster.</p>
          </div>
        </div>
      )}
    </QueryView>
  );
};

type PolicyProps = { readonly policy: PolicyView };

const PolicySentence = ({ policy }: PolicyProps) => (
  <section className="fso-part">
    <Heading level={2}>Meaning</Heading>
    <Content component="p">{describePolicy(policy)}</Content>
    {originOf(policy) === 'git' ? (
      <Content component="p" className="fso-muted">
        Excluded namespaces and target clusters are in its{' '}
        <Link from="/policies/$" search={{ tab: 'source' }}>
          source
        </Link>
        .
      </Content>
    ) : null}
  </section>
);

const PHASES = ['Failed', 'Pending', 'Active', 'Expired'] as const satisfies readonly Phase[];

/** Clusters by phase, and the state of each lock. */
const InForce = ({ policy }: PolicyProps) => {
  const { clusters } = policy;
  const { phases, known, locks } = useMemo(() => countRows(toClusterRows(clusters)), [clusters]);
  const total = clusters.length;
  return (
    <section className="fso-part">
      <Heading level={2}>Where it is in force</Heading>
      {known.last === 0 ? null : (
        <Alert
          isInline
          variant="warning"
          component="p"
          title={`${formatNumber(known.last)} of ${formatNumber(total)} clusters are not connected; their last known state is shown`}
        >
          <Link from="/policies/$" search={{ tab: 'clusters', known: 'last' }}>
            Show these clusters and the age of their reports
          </Link>
        </Alert>
      )}
      {total === 0 ? (
        <Content component="p">The placement of this policy, with the scopes around it, selects no cluster.</Content>
      ) : (
        <div className="fso-in-force">
          <ul aria-label="Clusters by phase">
            {PHASES.filter((phase) => phases[phase] > 0).map((phase) => (
              <li key={phase}>
                <Link from="/policies/$" search={{ tab: 'clusters', phase }}>
                  {formatNumber(phases[phase])} {phase.toLowerCase()}
                </Link>{' '}
                <span className="fso-muted">{describeClusters(phase, phases[phase])}</span>
              </li>
            ))}
          </ul>
          <div>
            <LockCount lock="Lock 1, admission" counts={locks.admission} total={total} />
            <LockCount lock="Lock 1, bind gate" counts={locks.binding} total={total} />
            <LockCount lock="Lock 2, Gatekeeper" counts={locks.gatekeeper} total={total} />
          </div>
        </div>
      )}
    </section>
  );
};

const Conditions = ({ policy }: PolicyProps) => {
  const details = usePolicyDetails(policy);
  return (
    <>
      {details.clusters.every(({ report }) => report === null || isAsExpected(report)) && details.untold > 0 ? null : (
        <ConditionsTable clusters={details.clusters} />
      )}
      <UntoldClusters {...details} />
    </>
  );
};

export const OverviewTab = ({ policy }: PolicyProps) => (
  <>
    <PolicySentence policy={policy} />
    <InForce policy={policy} />
    <section className="fso-part">
      <Heading level={2}>Conditions</Heading>
      <Conditions policy={policy} />
    </section>
    <section className="fso-part">
      <Heading level={2}>Regions</Heading>
      <PolicyRegions policy={policy} />
    </section>
  </>
);
