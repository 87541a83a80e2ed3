import type { RiskGrouping } from '@fso/shared/api';
import { Alert, Content } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { statusQuery } from '../../../api/queries.ts';
import { count } from '../../../lib/format.ts';
import { ComplianceFrame, Downloads, Groupings } from '../compliance-frame.tsx';
import { RiskGroups } from './risk-groups.tsx';
import { RisksList } from './risks-list.tsx';

const route = getRouteApi('/shell/compliance/risks');

const WORDS: Readonly<Record<RiskGrouping, string>> = {
  policy: 'By policy',
  cluster: 'By cluster',
  namespace: 'By namespace',
  owner: 'By owner',
};

/** Clusters of which not all is known never look like ones without risks. */
const UnknownClusters = () => {
  const { data: unknown = 0 } = useQuery({ ...statusQuery, select: ({ clusters }) => clusters.risksUnknown });
  if (unknown === 0) return null;
  return (
    <Alert isInline variant="warning" component="p" title={`Not all is known of ${count(unknown, 'cluster', 'clusters')}`}>
      Agents are away, or do not judge the next pods of all owners: the condition RisksKnown on the page of a cluster says why. The
      downloads name these clusters.
    </Alert>
  );
};

/** Owners whose next pods would be refused or stay pending. */
export const RisksPage = () => {
  const { by } = route.useSearch();
  const navigate = route.useNavigate();
  const choose = (grouping: RiskGrouping | undefined): void =>
    void navigate({ search: (old) => ({ ...old, by: grouping, q: undefined, sort: undefined }) });
  return (
    <ComplianceFrame description="Owners whose next pods would be refused by the locks, or would stay pending, with the line that mends each.">
      <div className="fso-stack">
        <Content component="p" className="fso-muted">
          Nothing of it has stopped: it is what a restart or a drained node would bring. Pending means that no node inside satisfies node
          selector, node affinity and tolerations; capacity and volumes are not looked at.
        </Content>
        <UnknownClusters />
        <Downloads path="/api/v1/reports/risks" />
      </div>
      <Groupings label="How risks are shown" all="All owners" texts={WORDS} by={by} onChoose={choose} />
      {by === undefined ? <RisksList /> : <RiskGroups key={by} by={by} />}
    </ComplianceFrame>
  );
};
