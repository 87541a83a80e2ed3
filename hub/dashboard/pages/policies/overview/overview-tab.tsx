import type { PolicyView } from '@fso/shared/api';
import { Alert, Content, Title } from '@patternfly/react-core';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { formatNumber } from '../../../lib/format.ts';
import { countRows, toClusterRows } from '../clusters/cluster-rows.ts';
import { originOf } from '../policy-origin.tsx';
import { LockCount } from '../policy-values.tsx';
import { ConditionsTable } from './conditions-table.tsx';
import { describePolicy } from './describe-policy.ts';
import { PolicyRegions } from './policy-regions.tsx';

type PolicyProps = { readonly policy: PolicyView };

const PolicySentence = ({ policy }: PolicyProps) => (
  <section className="fso-part">
    <Title headingLevel="h2" size="lg">
      What it means
    </Title>
    <Content component="p">{describePolicy(policy)}</Content>
    {originOf(policy) === 'git' ? (
      <Content component="p" className="fso-muted">
        Namespaces that it leaves out, and the clusters that it is meant for, are in its{' '}
        <Link from="/policies/$namespace/$name" search={{ tab: 'source' }}>
          source
        </Link>
        .
      </Content>
    ) : null}
  </section>
);

const PHASES = [
  ['Failed', 'do not enforce it as they should'],
  ['Pending', 'have not proven it, or are not connected'],
  ['Active', 'have proven it'],
  ['Expired', 'have let it go: it is expired'],
] as const;

/** In how many clusters it is what. */
const InForce = ({ policy }: PolicyProps) => {
  const { clusters } = policy;
  const { phases, known, locks } = useMemo(() => countRows(toClusterRows(clusters)), [clusters]);
  const total = clusters.length;
  return (
    <section className="fso-part">
      <Title headingLevel="h2" size="lg">
        Where it is in force
      </Title>
      {known.last === 0 ? null : (
        <Alert
          isInline
          variant="warning"
          component="p"
          title={`${formatNumber(known.last)} of ${formatNumber(total)} clusters are not connected: what is shown of them is what was last known`}
        >
          <Link from="/policies/$namespace/$name" search={{ tab: 'clusters', known: 'last' }}>
            Which, and how old it is
          </Link>
        </Alert>
      )}
      {total === 0 ? (
        <Content component="p">No cluster is meant to have it: its placement selects none.</Content>
      ) : (
        <div className="fso-in-force">
          <ul aria-label="Clusters by phase">
            {PHASES.filter(([phase]) => phases[phase] > 0).map(([phase, does]) => (
              <li key={phase}>
                <Link from="/policies/$namespace/$name" search={{ tab: 'clusters', phase }}>
                  {formatNumber(phases[phase])} {phase.toLowerCase()}
                </Link>{' '}
                <span className="fso-muted">{does}</span>
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

export const OverviewTab = ({ policy }: PolicyProps) => (
  <>
    <PolicySentence policy={policy} />
    <InForce policy={policy} />
    <section className="fso-part">
      <Title headingLevel="h2" size="lg">
        Conditions
      </Title>
      <ConditionsTable clusters={policy.clusters} />
    </section>
    <section className="fso-part">
      <Title headingLevel="h2" size="lg">
        Regions
      </Title>
      <PolicyRegions policy={policy} />
    </section>
  </>
);
