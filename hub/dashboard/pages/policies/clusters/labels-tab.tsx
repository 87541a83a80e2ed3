import { KEY_PREFIX, type PolicyView } from '@fso/shared/api';
import { count } from '@fso/shared/text';
import { Content } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import InfoCircleIcon from '@patternfly/react-icons/dist/esm/icons/info-circle-icon';
import { useMemo } from 'react';
import { Empty } from '../../../components/empty-states.tsx';
import { ClusterLink } from '../../../components/links.tsx';
import { LastKnownCluster } from '../../../components/stale-state.tsx';
import { LocalTable } from '../../../components/tables/data-table.tsx';
import type { Column } from '../../../components/tables/virtual-table.tsx';
import type { Filter } from '../../../lib/filters.ts';
import { formatNumber } from '../../../lib/format.ts';
import { UntoldClusters } from '../untold-clusters.tsx';
import { usePolicyDetails } from '../use-policy-details.ts';
import { usePolicySearch } from '../use-policy-search.ts';
import { filterLabelRows, type LabelDifference, type LabelRow, labelRows } from './label-differences.ts';

/** Returns a key without the prefix that all keys share; the text above the table names it. */
const shortKey = (key: string): string => key.slice(KEY_PREFIX.length);

const Labels = ({ labels }: LabelRow) =>
  labels.length === 0 ? (
    <span className="fso-muted">none</span>
  ) : (
    <ul className="fso-policies-labels">
      {labels.map(([key, value]) => (
        <li key={key}>
          <code>
            {shortKey(key)}={value}
          </code>
        </li>
      ))}
    </ul>
  );

const SAYS: Readonly<Record<LabelDifference['kind'], (difference: LabelDifference) => string>> = {
  missing: ({ expected }) => `is missing; this policy sets ${expected}`,
  differs: ({ actual, expected }) => `is ${actual}; this policy sets ${expected}`,
  otherPolicy: ({ actual, expected }) => `is ${actual}, the value of another policy; this policy sets ${expected}`,
};

const Difference = ({ difference }: { readonly difference: LabelDifference }) => {
  const Icon = difference.kind === 'otherPolicy' ? InfoCircleIcon : ExclamationTriangleIcon;
  return (
    <li>
      <Icon className={difference.kind === 'otherPolicy' ? 'fso-info' : 'fso-warning'} /> <code>{shortKey(difference.key)}</code>{' '}
      {SAYS[difference.kind](difference)}
    </li>
  );
};

const Differences = ({ differences }: LabelRow) =>
  differences.length === 0 ? (
    <>
      <CheckCircleIcon className="fso-success" /> none
    </>
  ) : (
    <ul className="fso-policies-labels">
      {differences.map((difference) => (
        <Difference key={difference.key} difference={difference} />
      ))}
    </ul>
  );

const Cluster = ({ cluster, fresh }: LabelRow) => (
  <>
    <ClusterLink cluster={cluster} />
    {fresh ? null : <LastKnownCluster cluster={cluster} />}
  </>
);

const LABEL_COLUMNS: readonly Column<LabelRow>[] = [
  { title: 'Cluster', width: 15, cell: Cluster },
  { title: 'Namespace', width: 15, cell: ({ namespace }) => <code>{namespace}</code> },
  { title: 'Labels', width: 35, cell: Labels },
  { title: 'Differences', width: 35, cell: Differences },
];

const FILTERS: readonly Filter[] = [
  { name: 'differs', label: 'Differences', options: [{ value: 'true', text: 'only namespaces with some' }] },
];

export const LabelsTab = ({ policy }: { readonly policy: PolicyView }) => {
  const { search } = usePolicySearch();
  const details = usePolicyDetails(policy);
  const { clusters } = details;
  const { q, differs } = search;
  const rows = useMemo(() => labelRows(clusters), [clusters]);
  const shown = useMemo(() => filterLabelRows(rows, { q, differs }), [rows, q, differs]);
  const governed = clusters.reduce((sum, { report }) => sum + (report?.namespaces.length ?? 0), 0);
  const different = rows.filter(({ differences }) => differences.length > 0).length;
  if (rows.length === 0 && details.untold > 0) return <UntoldClusters {...details} />;
  if (rows.length === 0)
    return (
      <Empty title="No labels are reported">
        {governed === 0
          ? 'No cluster reports a namespace that this policy governs.'
          : `It governs ${count(governed, 'namespace')}, but no agent has reported their labels.`}
      </Empty>
    );
  return (
    <>
      <Content component="p" className="fso-muted">
        Labels under <code>compliance.gov/</code> on the governed namespaces. Each agent reports the first 20 namespaces of a policy:{' '}
        {formatNumber(rows.length)} of {count(governed, 'governed namespace')}. The differences compare them with the labels of this policy
        alone; where several policies govern a namespace, its labels describe all of them.
      </Content>
      <UntoldClusters {...details} />
      <LocalTable
        toolbar={{ search: 'Search clusters and namespaces', filters: FILTERS }}
        table={{
          label: 'Labels of namespaces',
          rows: shown,
          columns: LABEL_COLUMNS,
          rowKey: ({ cluster, namespace }) => `${cluster}/${namespace}`,
        }}
        note={`${shown.length === rows.length ? '' : `${formatNumber(shown.length)} of `}${count(rows.length, 'namespace')}, ${different === 0 ? 'none' : formatNumber(different)} with differences`}
        values={search}
        noMatch="No namespace matches"
      />
    </>
  );
};
