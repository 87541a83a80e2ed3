import type { PolicyView } from '@fso/shared/api';
import { Content } from '@patternfly/react-core';
import { useMemo } from 'react';
import { Empty } from '../../components/empty-states.tsx';
import { SearchToolbar } from '../../components/search-toolbar.tsx';
import { VirtualTable } from '../../components/virtual-table.tsx';
import type { Filter } from '../../lib/filters.ts';
import { count, formatNumber } from '../../lib/format.ts';
import { LABEL_COLUMNS } from './label-columns.tsx';
import { filterLabelRows, labelRows } from './label-differences.ts';
import { usePolicySearch } from './use-policy-search.ts';

const FILTERS: readonly Filter[] = [
  { name: 'differs', label: 'Differences', options: [{ value: 'true', text: 'only namespaces with some' }] },
];

export const LabelsTab = ({ policy: { clusters } }: { readonly policy: PolicyView }) => {
  const { search, change } = usePolicySearch();
  const { q, differs } = search;
  const rows = useMemo(() => labelRows(clusters), [clusters]);
  const shown = useMemo(() => filterLabelRows(rows, { q, differs }), [rows, q, differs]);
  const governed = clusters.reduce((sum, { report }) => sum + (report?.namespaces.length ?? 0), 0);
  const different = rows.filter(({ differences }) => differences.length > 0).length;
  if (rows.length === 0)
    return (
      <Empty title="No labels are reported">
        {governed === 0
          ? 'The policy governs no namespace in any cluster that has reported.'
          : `It governs ${count(governed, 'namespace')}, whose labels no agent has reported.`}
      </Empty>
    );
  return (
    <>
      <Content component="p" className="fso-muted">
        Labels under <code>compliance.gov/</code> as they stand on the namespaces. Each agent reports the first 20 namespaces of a policy:{' '}
        {formatNumber(rows.length)} of {count(governed, 'governed namespace')} here. Compared with what this policy alone would write; where
        several policies govern a namespace, its labels speak for all of them.
      </Content>
      <SearchToolbar search="Search clusters and namespaces" filters={FILTERS} values={search} onChange={change} />
      <div className="fso-table-note" role="status">
        {shown.length === rows.length ? '' : `${formatNumber(shown.length)} of `}
        {count(rows.length, 'namespace')}, {different === 0 ? 'none' : formatNumber(different)} with differences
      </div>
      {shown.length === 0 ? (
        <Empty title="No namespace matches" onClear={() => change({ q: undefined, differs: undefined })} />
      ) : (
        <VirtualTable
          label="Labels of namespaces"
          rows={shown}
          columns={LABEL_COLUMNS}
          rowKey={({ cluster, namespace }) => `${cluster}/${namespace}`}
        />
      )}
    </>
  );
};
